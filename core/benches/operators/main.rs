//! CPU operators beside the naive loop and beside the machine's memory bandwidth, all measured in one run.
//!
//! `cargo bench -p robocache-core --bench operators -- [FILTER] [--cold] [--seconds N] [--instructions NAME]`
//!
//! Rounds are interleaved: each times the naive loop, one thread, all threads and the floor, so that a slow moment of
//! the machine slows all of them. Times are medians. The floor of a case is a copy by all threads that moves as many
//! bytes as the case must move (each input row touched, read once; each output, written once), with the caches in the
//! same state: calls follow each other as in an application, so that small inputs are still in a cache, and so do the
//! copies. With `--cold` the caches are flushed before every call and every copy. Before anything is timed, the naive
//! results are compared with the fast ones bit by bit. The goals for the floor are those of a run with `--cold`: a copy
//! within a cache is faster than any arithmetic.

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
    timing::{HostCopy, last_level_cache_bytes},
};
use table::Row;

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
    // What it reads alone is twice the last cache.
    let mut flush = HostCopy::new(4 * last_level_cache_bytes() as u64, all.threads, true);
    let mut rows = Vec::new();
    for (name, make) in CASES.iter().filter(|(name, _)| name.contains(&filter)) {
        let mut case = make(name);
        let difference = case.first_difference([one, all]);
        assert_eq!(difference, None, "{}: naive and fast differ at this element", case.name);
        let time = Duration::from_secs_f64(seconds_per_case);
        rows.push(measure(&mut case, [one, all], cold.then_some(&mut flush), time));
    }
    table::print(&rows);
}

/// Interleaved rounds of one case until `time` is over; with `flush` the caches are flushed before every call.
fn measure(case: &mut Case, [one, all]: [CpuOptions; 2], mut flush: Option<&mut HostCopy>, time: Duration) -> Row {
    let start = Instant::now();
    let (mut naive, mut one_thread, mut all_threads, mut floor) = (vec![], vec![], vec![], vec![]);
    // Copies that fit the last cache are fastest in place when they follow each other.
    let stream = flush.is_some() || case.bytes >= last_level_cache_bytes() as u64;
    let mut copy = HostCopy::new(case.bytes, all.threads, stream);
    // An odd least number of rounds, so that the median of few rounds is one of them.
    while naive.len() < 5 || start.elapsed() < time {
        naive.push(table::seconds(|| (case.naive)()));
        sample(&mut one_thread, flush.as_deref_mut(), || (case.fast)(one));
        sample(&mut all_threads, flush.as_deref_mut(), || (case.fast)(all));
        sample(&mut floor, flush.as_deref_mut(), || copy.run());
    }
    Row {
        name: case.name,
        naive: table::median(naive),
        one_thread: table::median(one_thread),
        all_threads: table::median(all_threads),
        floor: table::median(floor),
        most_of_floor: case.most_of_floor.filter(|_| flush.is_some()),
        least_of_naive: case.least_of_naive,
    }
}

/// Times one call with flushed caches, or a burst of calls.
fn sample(times: &mut Vec<f64>, flush: Option<&mut HostCopy>, call: impl FnMut()) {
    match flush {
        Some(flush) => {
            flush.run();
            times.push(table::seconds(call));
        }
        None => burst(times, call),
    }
}

/// Several calls in a row, as an application makes them, each timed: about 10 ms in all.
fn burst(times: &mut Vec<f64>, mut call: impl FnMut()) {
    let first = table::seconds(&mut call);
    let more = (0.01 / first) as usize;
    times.push(first);
    times.extend((0..more.min(100)).map(|_| table::seconds(&mut call)));
}
