//! How long things between ranks may take.

use std::time::Duration;

/// All deadlines of a world, so that they can be seen beside each other. A lost rank must be known to all others within
/// 15 s: the longest way there is [`Deadlines::late`] or [`Deadlines::invitation`], and then [`Deadlines::grace`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// For all ranks to arrive. A process on a busy machine with eight GPUs takes most of it to open its own: the driver
    /// maps the memory of all of them.
    pub rendezvous: Duration,
    /// For ranks that a launcher started to hear that another one was turned away. They may still be opening their GPUs, and
    /// would look for a leader that nobody is any more.
    pub latecomers: Duration,
    /// Without any sign of life; and how long a rank that failed is not blamed, as it may be because of another one that fell
    /// silent. A rank gives one each [`BEAT`] from a thread that does nothing else, so that a dozen are
    /// missed by a rank that is not stopped only if the machine is not fit to run anything.
    pub silence: Duration,
    /// From the moment the first rank comes to a step until the last does. Ranks prepare their data between steps, and
    /// some may have more to prepare.
    pub late: Duration,
    /// For what a rank invites the others with. It has its GPU open by then, and only makes an id or a socket.
    pub invitation: Duration,
    /// For one step itself, once all ranks came to it: the last resort against a library that waits for ever although all
    /// ranks live. It is long, since a GiB through sockets on a busy machine takes that long.
    pub step: Duration,
    /// For a rank to say how it ended, after it was told that another one was lost, and for processes to end after they
    /// were told to. NCCL takes most of it to abort.
    pub grace: Duration,
}

/// How often a rank gives a sign of life.
pub const BEAT: Duration = Duration::from_millis(250);

impl Deadlines {
    /// Those of every world but in tests.
    pub const DEFAULT: Self = Self {
        rendezvous: Duration::from_secs(30),
        latecomers: Duration::from_secs(10),
        silence: Duration::from_secs(3),
        late: Duration::from_secs(8),
        invitation: Duration::from_secs(8),
        step: Duration::from_secs(30),
        grace: Duration::from_secs(6),
    };
}

impl Default for Deadlines {
    fn default() -> Self {
        Self::DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_rank_is_known_within_15_seconds_by_default() {
        let Deadlines { rendezvous: _, latecomers: _, silence, late, invitation, step: _, grace } =
            Deadlines::default();
        assert!(silence.max(late).max(invitation) + grace < Duration::from_secs(15));
        assert!(silence >= 10 * BEAT);
    }
}
