//! How a rank becomes part of a communicator, of either kind.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use robocache_core::{
    communicator::{Communicator, CommunicatorError, Mesh, MeshPoint, Patience},
    cuda,
    nccl::{Nccl, NcclId},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::to_raw_value;

use super::{agreement::INITIALISATION, protocol::Invitation, secret::random};

/// What a rank needs to make communicators of one kind.
pub(super) trait Join {
    /// The kind.
    type Communicator: Communicator;
    /// What a rank keeps between inviting the others and joining them.
    type Invited;

    /// Prepares to be joined: what the others need for it goes to all of them.
    fn invite(&mut self, rank: usize) -> Result<(Self::Invited, Option<Invitation>), CommunicatorError>;

    /// Joins the others, given what each of them sent.
    fn join(
        &mut self,
        invited: Self::Invited,
        rank: usize,
        invitations: &[Option<Invitation>],
        patience: Patience,
    ) -> Result<Self::Communicator, CommunicatorError>;

    /// Bytes free on the rank's GPU.
    fn free_memory(&self) -> Option<u64>;
}

/// Ranks on CPUs.
pub(super) struct JoinMesh {
    /// The address of this machine at which the others reach it: that of its own connection to the leader.
    pub(super) host: IpAddr,
}

/// Where a rank on a CPU listens. That of rank 0 has the token that all use.
#[derive(Serialize, Deserialize)]
struct MeshInvitation {
    address: SocketAddr,
    token: [u8; 16],
}

impl Join for JoinMesh {
    type Communicator = Mesh;
    type Invited = MeshPoint;

    fn invite(&mut self, rank: usize) -> Result<(MeshPoint, Option<Invitation>), CommunicatorError> {
        let failed = |error: io::Error| CommunicatorError::Connection {
            at: INITIALISATION,
            rank,
            message: format!("it cannot listen: {error}"),
        };
        let point = MeshPoint::listen(self.host).map_err(failed)?;
        let random = random().map_err(failed)?;
        let token = std::array::from_fn(|position| random[position]);
        let invitation = MeshInvitation { address: point.address(), token };
        Ok((point, Some(written(&invitation)?)))
    }

    fn join(
        &mut self,
        point: MeshPoint,
        rank: usize,
        invitations: &[Option<Invitation>],
        patience: Patience,
    ) -> Result<Mesh, CommunicatorError> {
        let all = (0..invitations.len())
            .map(|other| read::<MeshInvitation>(invitations, other))
            .collect::<Result<Vec<_>, _>>()?;
        let addresses: Vec<_> = all.iter().map(|invitation| invitation.address).collect();
        Mesh::join(point, rank, all.len(), &addresses, all[0].token, patience)
    }

    fn free_memory(&self) -> Option<u64> {
        None
    }
}

/// Ranks on GPUs.
pub(super) struct JoinNccl {
    /// The GPU of this rank.
    pub(super) device: cuda::Device,
}

impl Join for JoinNccl {
    type Communicator = Nccl;
    type Invited = ();

    fn invite(&mut self, rank: usize) -> Result<((), Option<Invitation>), CommunicatorError> {
        let invitation = if rank == 0 { Some(written(&NcclId::new()?)?) } else { None };
        Ok(((), invitation))
    }

    fn join(
        &mut self,
        (): (),
        rank: usize,
        invitations: &[Option<Invitation>],
        patience: Patience,
    ) -> Result<Nccl, CommunicatorError> {
        let id: NcclId = read(invitations, 0)?;
        Nccl::join(&self.device, rank, invitations.len(), &id, patience)
    }

    fn free_memory(&self) -> Option<u64> {
        // After a sticky error the GPU says nothing any more, which the task's own failure tells.
        self.device.context().memory().ok().map(|(free, _)| free as u64)
    }
}

fn written(invitation: &impl Serialize) -> Result<Invitation, CommunicatorError> {
    to_raw_value(invitation).map_err(|error| CommunicatorError::Unsupported(format!("an invitation: {error}")))
}

fn read<T: DeserializeOwned>(invitations: &[Option<Invitation>], rank: usize) -> Result<T, CommunicatorError> {
    let unusable = |message: String| CommunicatorError::Connection { at: INITIALISATION, rank, message };
    let invitation =
        invitations.get(rank).and_then(Option::as_ref).ok_or_else(|| unusable("it invited nobody".into()))?;
    serde_json::from_str(invitation.get()).map_err(|error| unusable(format!("its invitation: {error}")))
}
