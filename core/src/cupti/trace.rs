//! A stretch of time of which everything is recorded.

use std::{ptr, sync::MutexGuard};

use cudarc::cupti::sys::CUpti_ActivityFlag;

use super::{
    Cupti, CuptiError, buffers,
    calls::Call,
    record::{self, Activity, Kind, What},
};
use crate::census::Census;

/// Recording, until it is dropped. Whatever any thread of this process does on a GPU meanwhile is recorded.
pub struct Trace {
    cupti: &'static Cupti,
    _owner: MutexGuard<'static, ()>,
}

impl Trace {
    /// Begins to record, after any other trace of this process has ended.
    pub fn start() -> Result<Self, CuptiError> {
        let cupti = Cupti::load()?;
        let owner = buffers::own();
        let functions = &cupti.functions;
        // SAFETY: both callbacks keep to CUPTI's contract and live as long as the program.
        let status = unsafe { (functions.register_callbacks)(Some(buffers::requested), Some(buffers::completed)) };
        functions.check(status, "registering CUPTI's callbacks")?;
        // From here on `Drop` turns off what has been turned on.
        let trace = Self { cupti, _owner: owner };
        for kind in Kind::ALL {
            // SAFETY: a kind that every known version has.
            functions.check(unsafe { (functions.enable)(kind.number()) }, "turning CUPTI's records on")?;
        }
        Ok(trace)
    }

    /// The library that records.
    pub fn cupti(&self) -> &'static Cupti {
        self.cupti
    }

    /// Counts what `call` does. `settle` must wait until the GPU has nothing left to do; it is not counted.
    ///
    /// GPU activity counts until `settle` returns; calls of the driver's and the runtime's API count while `call` lasts.
    pub fn census<E: From<CuptiError>>(
        &mut self,
        call: impl FnOnce() -> Result<(), E>,
        settle: impl FnOnce() -> Result<(), E>,
    ) -> Result<Census, E> {
        // What was recorded before is nobody's business, whole or not.
        self.flush()?;
        let before = buffers::take_completed();
        self.dropped_records(&before)?;
        drop(before);
        let begin_ns = self.now_ns()?;
        call()?;
        let end_ns = self.now_ns()?;
        settle()?;
        Ok(count(self.collect()?, begin_ns, end_ns))
    }

    /// All activities since the last flush.
    fn collect(&self) -> Result<Vec<Activity>, CuptiError> {
        self.flush()?;
        let buffers = buffers::take_completed();
        let records = self.dropped_records(&buffers)?;
        if records > 0 {
            return Err(CuptiError::Dropped { records });
        }
        let mut activities = Vec::new();
        for buffer in &buffers {
            activities.extend(record::read(&self.cupti.functions, buffer)?);
        }
        Ok(activities)
    }

    /// Has CUPTI hand over all buffers, also those with records that are not complete: these are errors then, and not
    /// silently missing.
    fn flush(&self) -> Result<(), CuptiError> {
        let functions = &self.cupti.functions;
        let forced = CUpti_ActivityFlag::CUPTI_ACTIVITY_FLAG_FLUSH_FORCED as u32;
        // SAFETY: the callbacks are registered; no lock that they take is held here.
        functions.check(unsafe { (functions.flush_all)(forced) }, "flushing CUPTI's records")
    }

    /// How many records of these buffers' queues, and of the one for all, were lost since this was last asked.
    fn dropped_records(&self, buffers: &[buffers::Buffer]) -> Result<u64, CuptiError> {
        let functions = &self.cupti.functions;
        let queues = buffers.iter().map(|buffer| (buffer.context, buffer.stream)).chain([(ptr::null_mut(), 0)]);
        let mut records = 0;
        for (context, stream) in queues {
            let mut dropped = 0;
            // SAFETY: CUPTI named this queue when it handed a buffer of it over; null and 0 are the one for all.
            let status = unsafe { (functions.dropped_records)(context, stream, &mut dropped) };
            functions.check(status, "asking CUPTI for dropped records")?;
            records += dropped as u64;
        }
        Ok(records)
    }

    fn now_ns(&self) -> Result<u64, CuptiError> {
        let mut now = 0;
        // SAFETY: the pointer is valid for the call.
        let status = unsafe { (self.cupti.functions.timestamp)(&mut now) };
        self.cupti.functions.check(status, "asking CUPTI for the time")?;
        Ok(now)
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        for kind in Kind::ALL {
            // SAFETY: a kind that every known version has. One that could not be turned on cannot be turned off either,
            // and that is no news.
            let _ = unsafe { (self.cupti.functions.disable)(kind.number()) };
        }
        // What is left was asked for by nobody; an error leaves it to the next trace, which drops it.
        let _ = self.flush();
        drop(buffers::take_completed());
    }
}

/// Sums activities up: kernels in the order in which they began, API calls only if they began within the call.
fn count(mut activities: Vec<Activity>, begin_ns: u64, end_ns: u64) -> Census {
    activities.sort_by_key(|activity| activity.start_ns);
    let mut census = Census::default();
    for Activity { start_ns, what } in activities {
        match what {
            What::Kernel(launch) => census.kernels.push(launch),
            What::Copy(bytes) => census.copies.push(bytes),
            What::Memset(bytes) => census.memsets.push(bytes),
            What::Call(name) if (begin_ns..=end_ns).contains(&start_ns) => match Call::of(&name) {
                Call::Allocates => census.allocations.push(name),
                Call::Synchronises => census.synchronisations.push(name),
                Call::Other => census.others.push(name),
                Call::Harmless => {}
            },
            What::Call(_) => {}
        }
    }
    census
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::census::KernelLaunch;

    fn kernel(start_ns: u64, name: &str) -> Activity {
        let launch = KernelLaunch {
            name: name.to_owned(),
            grid: [1, 1, 1],
            block: [32, 1, 1],
            dynamic_shared_bytes: 0,
            static_shared_bytes: 0,
            registers: 16,
        };
        Activity { start_ns, what: What::Kernel(launch) }
    }

    fn call(start_ns: u64, name: &str) -> Activity {
        Activity { start_ns, what: What::Call(name.to_owned()) }
    }

    #[test]
    fn kernels_are_in_the_order_in_which_they_began_and_calls_within_the_call() {
        let memset = Activity { start_ns: 300, what: What::Memset(64) };
        let activities = vec![
            call(5, "cuMemAlloc_v2"),
            call(12, "cuLaunchKernel"),
            kernel(400, "second"),
            kernel(200, "first"),
            memset,
            call(15, "cuMemFree_v2"),
            call(18, "cuStreamSynchronize"),
            call(21, "cuCtxSynchronize"),
        ];
        let census = count(activities, 10, 20);
        let names: Vec<_> = census.kernels.iter().map(|launch| launch.name.as_str()).collect();
        assert_eq!(names, ["first", "second"]);
        assert_eq!(census.memsets, [64]);
        assert_eq!(
            (census.allocations, census.synchronisations),
            (vec!["cuMemFree_v2".to_owned()], vec!["cuStreamSynchronize".to_owned()])
        );
    }

    #[test]
    fn a_trace_starts_or_says_why_not() {
        match Trace::start() {
            Ok(trace) => assert!(trace.cupti().path().is_file()),
            Err(error) => assert!(error.to_string().len() > 20, "{error}"),
        }
    }
}
