//! How many records a second become durable: the supervisor must never wait for its evidence.
//!
//! `cargo bench -p validation --bench record_log`. Figures are those of the disk that holds the temporary folder.

use std::{hint::black_box, sync::mpsc, thread, time::Duration};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use validation::evidence::parse_log;
use validation_testing::fixture::{every_verdict, log_of, new_run, passed};

/// Records in flight at once, as from a supervisor that does not wait for each.
const IN_FLIGHT: usize = 1000;

fn append(criterion: &mut Criterion) {
    let root = tempfile::tempdir().unwrap();
    let run = new_run(root.path());
    let record = passed("n1");

    let mut group = criterion.benchmark_group("append");
    group.measurement_time(Duration::from_secs(3)).sample_size(20);
    group.throughput(Throughput::Elements(IN_FLIGHT as u64));
    group.bench_function("one_thread_not_waiting", |bencher| {
        bencher.iter(|| {
            let (acknowledged, durable) = mpsc::channel();
            for _ in 0..IN_FLIGHT {
                let acknowledged = acknowledged.clone();
                run.log().append_then(&record, move |result| acknowledged.send(result.unwrap()).unwrap());
            }
            drop(acknowledged);
            assert_eq!(durable.iter().count(), IN_FLIGHT);
        });
    });
    for threads in [1, 8, 32] {
        let each = 10;
        group.throughput(Throughput::Elements(each * threads));
        group.bench_with_input(BenchmarkId::new("threads_waiting", threads), &threads, |bencher, &threads| {
            bencher.iter(|| {
                thread::scope(|scope| {
                    for _ in 0..threads {
                        scope.spawn(|| {
                            for _ in 0..each {
                                run.log().append(&record).unwrap();
                            }
                        });
                    }
                });
            });
        });
    }
    group.finish();
    run.close().unwrap();
}

fn read(criterion: &mut Criterion) {
    let records: Vec<_> = every_verdict().into_iter().cycle().take(300).collect();
    let (_root, _, bytes) = log_of(&records);
    let mut group = criterion.benchmark_group("read");
    group.throughput(Throughput::Elements(300));
    group.bench_function("parse_log", |bencher| bencher.iter(|| parse_log(black_box(&bytes)).unwrap()));
    group.finish();
}

criterion_group!(benches, append, read);
criterion_main!(benches);
