//! Times, and the table of them.

use std::time::Instant;

/// What was measured of one case; times in seconds.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) naive: f64,
    pub(crate) one_thread: f64,
    pub(crate) all_threads: f64,
    /// A copy that moves as many bytes as the case must.
    pub(crate) floor: f64,
    /// The goal for `all_threads / floor`, if there is one.
    pub(crate) most_of_floor: Option<f64>,
    /// The goal for `naive / all_threads`.
    pub(crate) least_of_naive: f64,
}

/// How long `call` takes.
pub(crate) fn seconds(mut call: impl FnMut()) -> f64 {
    let start = Instant::now();
    call();
    start.elapsed().as_secs_f64()
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Prints all rows, with a mark behind each ratio that misses its goal.
pub(crate) fn print(rows: &[Row]) {
    println!(
        "{:<34} {:>9} {:>9} {:>9} {:>9} {:>17} {:>17}",
        "median ms", "naive", "1 thread", "all", "floor", "all/floor (goal)", "naive/all (goal)"
    );
    for row in rows {
        let of_floor = row.all_threads / row.floor;
        let of_naive = row.naive / row.all_threads;
        let floor_goal = row.most_of_floor.map_or("-".to_owned(), |goal| format!("{goal:.2}"));
        let missed = |missed: bool| if missed { "!" } else { " " };
        println!(
            "{:<34} {:>9.3} {:>9.4} {:>9.4} {:>9.4} {:>8.2} {:>7}{} {:>8.1} {:>7}{}",
            row.name,
            1e3 * row.naive,
            1e3 * row.one_thread,
            1e3 * row.all_threads,
            1e3 * row.floor,
            of_floor,
            format!("({floor_goal})"),
            missed(row.most_of_floor.is_some_and(|goal| of_floor > goal)),
            of_naive,
            format!("({:.1})", row.least_of_naive),
            missed(of_naive < row.least_of_naive),
        );
    }
}
