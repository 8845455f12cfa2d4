//! CPU operators beside the naive loop and beside the machine's memory bandwidth, all measured in one run.
//!
//! `cargo bench -p robocache-core --bench operators -- [FILTER] [--cold] [--seconds N] [--instructions NAME]`
//!
//! Rounds are interleaved: each measures the bandwidth, then the naive loop, one thread and all threads, so that a slow
//! moment of the machine slows all of them. Times are medians. The floor of a case is the bytes that it must move (each
//! input row touched, read once; each output, written once) over the bandwidth of a copy. Calls follow each other as in
//! an application, so that small inputs are still in a cache: then a time can be below the floor. With `--cold` the
//! caches are flushed before every call. Before anything is timed, the naive results are compared with the fast ones
//! bit by bit. The goals are the best Rust figures known of a run without `--cold`.

mod cases;
mod naive;
mod table;

use std::{
    env,
    time::{Duration, Instant},
};

use cases::{CASES, Case};
use robocache_core::{
    cpu::{CpuOptions, InstructionSet},
    timing::HostCopy,
};
use table::Row;

/// Bytes moved by the copy that measures the bandwidth: several times the last-level cache.
const COPIED_BYTES: u64 = 256 << 20;

fn main() {
    let mut filter = String::new();
    let mut seconds_per_case = 3.0;
    let mut cold = false;
    let mut all = CpuOptions::default();
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            // What cargo passes to every benchmark.
            "--bench" => {}
            "--seconds" => {
                let value = arguments.next().unwrap_or_default();
                seconds_per_case = value.parse().unwrap_or_else(|_| panic!("--seconds takes a number, not `{value}`"));
            }
            "--cold" => cold = true,
            "--instructions" => {
                let value = arguments.next().unwrap_or_default();
                let set = InstructionSet::available().into_iter().find(|set| set.name() == value);
                all.instructions = set.unwrap_or_else(|| panic!("this CPU has no instruction set `{value}`"));
            }
            word if !word.starts_with('-') => filter = word.to_owned(),
            unknown => panic!("unknown option `{unknown}`; known are FILTER, --seconds, --instructions and --cold"),
        }
    }

    let one = CpuOptions { threads: 1, ..all };
    println!("{} threads, {}", all.threads, all.instructions);
    let mut copy = HostCopy::new(COPIED_BYTES, all.threads, true);
    let mut rows = Vec::new();
    for (name, make) in CASES.iter().filter(|(name, _)| name.contains(&filter)) {
        let mut case = make(name);
        let difference = case.first_difference([one, all]);
        assert_eq!(difference, None, "{}: naive and fast differ at this element", case.name);
        rows.push(measure(&mut case, &mut copy, [one, all], cold, Duration::from_secs_f64(seconds_per_case)));
    }
    table::print(&rows);
}

/// Interleaved rounds of one case until `time` is over.
fn measure(case: &mut Case, copy: &mut HostCopy, [one, all]: [CpuOptions; 2], cold: bool, time: Duration) -> Row {
    let start = Instant::now();
    let (mut naive, mut one_thread, mut all_threads, mut bandwidth) = (vec![], vec![], vec![], vec![]);
    // An odd least number of rounds, so that the median of few rounds is one of them.
    while naive.len() < 5 || start.elapsed() < time {
        // The copy that measures the bandwidth also flushes the caches.
        bandwidth.push(bytes_per_second(copy));
        naive.push(table::seconds(|| (case.naive)()));
        for (times, options) in [(&mut one_thread, one), (&mut all_threads, all)] {
            if cold {
                bandwidth.push(bytes_per_second(copy));
                times.push(table::seconds(|| (case.fast)(options)));
            } else {
                burst(times, || (case.fast)(options));
            }
        }
    }
    Row {
        name: case.name,
        naive: table::median(naive),
        one_thread: table::median(one_thread),
        all_threads: table::median(all_threads),
        floor: case.bytes as f64 / table::median(bandwidth),
        most_of_floor: case.most_of_floor,
        least_of_naive: case.least_of_naive,
    }
}

/// Bytes that a large copy reads and writes in a second.
fn bytes_per_second(copy: &mut HostCopy) -> f64 {
    COPIED_BYTES as f64 / table::seconds(|| copy.run())
}

/// Several calls in a row, as an application makes them, each timed: about 10 ms in all.
fn burst(times: &mut Vec<f64>, mut call: impl FnMut()) {
    let first = table::seconds(&mut call);
    let more = (0.01 / first) as usize;
    times.push(first);
    times.extend((0..more.min(100)).map(|_| table::seconds(&mut call)));
}
