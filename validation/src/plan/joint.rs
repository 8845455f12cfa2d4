//! Cells of several ranks.

use robocache_core::{
    collective::Collective, dtype::DType, parameters::Parameters, random::Seed, registry::Registry, sharding::Partition,
};

use super::cells::{Draft, find};
use crate::{
    cell::{Cell, Device, Input},
    dataset::Expectation,
    machine::Machine,
    matrix::{Diagnostic, Matrix, Place, Profile, Selection},
    ranks::launched::Launched,
    suites::{Joint, MultiGpuSettings, SuiteSettings, Task},
};

/// The operator's place in the name of a cell that trains.
const DATA_PARALLEL: &str = "data_parallel";

/// What the cells of a selection have in common.
pub(super) struct JointCells<'a> {
    pub(super) matrix: &'a Matrix,
    pub(super) profile: &'a Profile,
    pub(super) selection: &'a Selection,
    pub(super) suite: &'a SuiteSettings,
    pub(super) registry: &'a Registry,
}

/// What one cell is.
struct Wanted<'a> {
    operator: &'a str,
    dtype: DType,
    /// Its problem and its input, as they stand in its name.
    problem: &'a str,
    named_input: &'a str,
    parameters: Parameters,
    input: Input,
    task: Task,
    implemented: bool,
    place: Place,
}

impl JointCells<'_> {
    /// The cells of every device and number of ranks: collectives, then sharded operators, training and faults.
    pub(super) fn drafts(&self, drafts: &mut Vec<Draft>) -> Result<(), Diagnostic> {
        for &device in self.matrix.devices.iter().filter(|device| self.selection.devices.contains(*device)) {
            for &world in &self.selection.worlds {
                self.collectives(device, world, drafts)?;
                self.sharded(device, world, drafts)?;
                if self.selection.data_parallel {
                    drafts.push(self.data_parallel(device, world)?);
                }
                // Somebody must be left.
                if world > 1 {
                    self.faults(device, world, drafts)?;
                }
            }
        }
        Ok(())
    }

    fn collectives(&self, device: Device, world: usize, drafts: &mut Vec<Draft>) -> Result<(), Diagnostic> {
        let chosen = |name: &str| self.selection.collectives.contains(name);
        for group in self.matrix.collectives.iter().filter(|group| chosen(&group.name)) {
            for (collective, dtype, block) in group.transfers().filter(|&(_, dtype, _)| self.has(dtype)) {
                let task = Task::Collective { collective, block };
                drafts.push(self.transfer(device, world, (collective, dtype, block), task, "pattern", group.place)?);
            }
        }
        Ok(())
    }

    fn faults(&self, device: Device, world: usize, drafts: &mut Vec<Draft>) -> Result<(), Diagnostic> {
        let chosen = |name: &str| self.selection.faults.contains(name);
        for group in self.matrix.faults.iter().filter(|group| chosen(&group.within.name)) {
            for (collective, dtype, block) in group.within.transfers().filter(|&(_, dtype, _)| self.has(dtype)) {
                for &fault in &group.faults {
                    let task = Task::Fault { collective, block, fault };
                    let transfer = (collective, dtype, block);
                    drafts.push(self.transfer(
                        device,
                        world,
                        transfer,
                        task,
                        &fault.to_string(),
                        group.within.place,
                    )?);
                }
            }
        }
        Ok(())
    }

    fn transfer(
        &self,
        device: Device,
        world: usize,
        (collective, dtype, block): (Collective, DType, usize),
        task: Task,
        named_input: &str,
        place: Place,
    ) -> Result<Draft, Diagnostic> {
        self.draft(
            device,
            world,
            Wanted {
                operator: &collective.to_string(),
                dtype,
                problem: &format!("n{block}"),
                named_input,
                parameters: Parameters::default(),
                input: Input::Pattern,
                task,
                implemented: true,
                place,
            },
        )
    }

    fn sharded(&self, device: Device, world: usize, drafts: &mut Vec<Draft>) -> Result<(), Diagnostic> {
        let Self { matrix, selection, registry, .. } = *self;
        // One rank has one part, however it is divided.
        let of_one = |partition: &Partition| world > 1 || *partition == Partition::Even;
        let divided = |partition: &Partition| selection.partitions.contains(partition) && of_one(partition);
        for row in matrix.operators.iter().filter(|row| selection.operators.contains(row.name.as_str())) {
            let operator = find(registry, row, matrix, selection)?;
            for group in row.groups.iter().filter(|group| selection.problems.contains(group.name.as_str())) {
                for problem_row in &group.problems {
                    for &dtype in problem_row.dtypes.iter().filter(|dtype| self.has(**dtype)) {
                        let arguments = &problem_row.arguments;
                        let problem = arguments.problem(operator, dtype, &matrix.source)?;
                        let distributions = operator.distributions().iter();
                        for &distribution in distributions.filter(|&chosen| selection.distributions.contains(chosen)) {
                            for partition in Partition::ALL.into_iter().filter(divided) {
                                let input = Input::Generated(distribution);
                                drafts.push(self.draft(
                                    device,
                                    world,
                                    Wanted {
                                        operator: operator.name(),
                                        dtype,
                                        problem: &problem.name(),
                                        named_input: &input.to_string(),
                                        parameters: arguments.parameters.clone(),
                                        input,
                                        task: Task::Sharded { partition },
                                        implemented: problem.cuda().is_some(),
                                        place: arguments.place,
                                    },
                                )?);
                            }
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn data_parallel(&self, device: Device, world: usize) -> Result<Draft, Diagnostic> {
        self.draft(
            device,
            world,
            Wanted {
                operator: DATA_PARALLEL,
                dtype: DType::F32,
                problem: "training",
                named_input: "pattern",
                parameters: Parameters::default(),
                input: Input::Pattern,
                task: Task::DataParallel,
                implemented: true,
                place: self.selection.place,
            },
        )
    }

    fn has(&self, dtype: DType) -> bool {
        self.selection.dtypes.contains(&dtype)
    }

    fn draft(&self, device: Device, world: usize, wanted: Wanted<'_>) -> Result<Draft, Diagnostic> {
        let Self { matrix, profile, selection, .. } = *self;
        let Wanted { operator, dtype, problem, named_input, parameters, input, task, implemented, place } = wanted;
        let SuiteSettings::MultiGpu(settings) = self.suite else { unreachable!("the suite is known to be multi_gpu") };
        let joint = Some(Joint { world, task });
        let mut suite = SuiteSettings::MultiGpu(MultiGpuSettings { joint, ..settings.clone() });
        let mut limits = matrix.limits;
        for changes in [&profile.changes, &selection.changes] {
            changes.apply(&mut suite, &mut limits, &matrix.source)?;
        }
        let end = match task {
            Task::Sharded { partition } => format!("w{world}_{partition}"),
            Task::Collective { .. } | Task::DataParallel | Task::Fault { .. } => format!("w{world}"),
        };
        let name = format!("{}::{operator}::{device}::{dtype}::{problem}::{named_input}::{end}", suite.name());
        // Neither the device nor the number of ranks is a part of the data's name.
        let data_name = Cell::data_name(suite.name(), operator, dtype, problem, &input);
        let cell = Cell {
            name,
            suite,
            operator: operator.to_owned(),
            device,
            dtype,
            parameters,
            input,
            seed: Seed::root(matrix.seed).derive(&data_name),
            expect: Expectation::Accepted,
            limits,
        };
        let implemented = implemented || device == Device::Cpu;
        Ok(Draft { cell, implemented, arguments: place, selection: selection.place })
    }
}

/// Why no rank of this cell may be lost; `None` if one may, or none is to be.
pub(super) fn no_loss(machine: &Machine, task: Task) -> Option<String> {
    match task {
        Task::Fault { .. } => machine.launched.map(|Launched { launcher, .. }| {
            format!("a rank that {launcher} started is not started again, so none may be lost")
        }),
        Task::Collective { .. } | Task::Sharded { .. } | Task::DataParallel => None,
    }
}

/// What `machine` lacks for a cell of so many ranks on this device; `None` if it has it.
pub(crate) fn ranks_lacking(machine: &Machine, device: Device, world: usize) -> Option<String> {
    if let Some(launched) = machine.launched {
        // Their GPUs may be on other machines; ranks compare them when they meet.
        return match device {
            _ if (launched.device, launched.world) != (device, world) => Some(format!(
                "{world} ranks on {device}: the launcher started {} on {}",
                launched.world, launched.device
            )),
            Device::Cpu => None,
            Device::Cuda => machine.nccl.as_ref().err().cloned(),
        };
    }
    match device {
        Device::Cpu => return None,
        Device::Cuda => {}
    }
    if let Err(absence) = &machine.nccl {
        return Some(absence.clone());
    }
    if machine.gpus.len() < world {
        return Some(format!("{world} GPUs: this machine has {}", machine.gpus.len()));
    }
    let first = machine.gpus.first()?;
    // NCCL takes other ways, and kernels other shapes, where GPUs differ: a result would be that of neither.
    machine
        .gpus
        .iter()
        .take(world)
        .find(|gpu| gpu.name != first.name)
        .map(|other| format!("{world} GPUs of one model: this machine has {} and {}", first.name, other.name))
}
