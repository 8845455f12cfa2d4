//! What the matrix says of several ranks: which collectives they do, what befalls them, and how many they are.

use fault_injection::RankFault;
use robocache_core::{collective::Collective, dtype::DType};

use super::{
    Diagnostic,
    check::{Checker, collect},
    choice::Choice,
    document::{CollectiveSection, FaultSection, SuitesSection},
    entries::Entry,
    model::{CollectiveGroup, FaultGroup},
    place::Located,
};
use crate::suites::{BLOCK_LIMIT, WORLD_LIMIT};

impl Checker<'_> {
    /// The groups of collectives.
    pub(super) fn collectives(&self, section: &SuitesSection) -> Result<Vec<CollectiveGroup>, Diagnostic> {
        let Some(section) = &section.multi_gpu else { return Ok(Vec::new()) };
        collect(&section.collectives, |entry| {
            let CollectiveSection { operations, dtypes, blocks } = &entry.value.value;
            self.transfers(entry, operations, dtypes, blocks)
        })
    }

    /// The groups of faults.
    pub(super) fn faults(&self, section: &SuitesSection) -> Result<Vec<FaultGroup>, Diagnostic> {
        let Some(section) = &section.multi_gpu else { return Ok(Vec::new()) };
        collect(&section.faults, |entry| {
            let FaultSection { faults, operations, dtypes, blocks } = &entry.value.value;
            let known: Vec<_> = RankFault::all().map(|fault| fault.to_string()).collect();
            let known: Vec<_> = known.iter().map(String::as_str).collect();
            self.check_choice("fault of a rank", faults, &known)?;
            let within = self.transfers(entry, operations, dtypes, blocks)?;
            let faults: Vec<_> = RankFault::all().filter(|fault| faults.contains(&*fault.to_string())).collect();
            if faults.is_empty() {
                return Err(self.fault(entry.key.place, format!("the group `{}` has no fault", entry.key.value)));
            }
            Ok(FaultGroup { within, faults })
        })
    }

    fn transfers<T>(
        &self,
        entry: &Entry<T>,
        operations: &Choice<String>,
        dtypes: &Choice<DType>,
        blocks: &Located<Vec<u32>>,
    ) -> Result<CollectiveGroup, Diagnostic> {
        self.check_name(&entry.key)?;
        let known: Vec<_> = Collective::all().map(|collective| collective.to_string()).collect();
        let known: Vec<_> = known.iter().map(String::as_str).collect();
        self.check_choice("collective", operations, &known)?;
        if let Some(block) = blocks.iter().find(|block| **block as usize > BLOCK_LIMIT) {
            let message = format!("a block of {block} elements is too large");
            return Err(self.fault(blocks.place, message).label(format!("expected at most {BLOCK_LIMIT}")));
        }
        let group = CollectiveGroup {
            name: entry.key.value.clone(),
            place: entry.key.place,
            operations: Collective::all().filter(|collective| operations.contains(&*collective.to_string())).collect(),
            dtypes: DType::ALL.into_iter().filter(|dtype| dtypes.contains(dtype)).collect(),
            blocks: blocks.iter().map(|&block| block as usize).collect(),
        };
        if group.transfers().next().is_none() {
            let message = format!("the group `{}` has no collective", entry.key.value);
            return Err(self.fault(entry.key.place, message));
        }
        Ok(group)
    }

    /// The numbers of ranks.
    pub(super) fn worlds(&self, worlds: &[Located<u64>]) -> Result<Vec<usize>, Diagnostic> {
        let world = |world: &Located<u64>| match usize::try_from(world.value) {
            Ok(number @ 1..=WORLD_LIMIT) => Ok(number),
            Ok(_) | Err(_) => {
                let message = format!("{} is no number of ranks", world.value);
                Err(self.fault(world.place, message).label(format!("expected 1 to {WORLD_LIMIT}")))
            }
        };
        worlds.iter().map(world).collect()
    }
}
