//! How ranks that somebody else started find their leader, or are turned away.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use libtest_mimic::Failed;
use validation::{
    cell::Device,
    ranks::{Deadlines, Refusal, SECRET_VARIABLE, Secret, World, WorldError},
};

use crate::{wait_until, works};

const SECRET: &str = "the secret of these tests only";

/// A rank as torchrun would start it.
fn launched(port: u16, place: (&str, &str), secret: &str) -> Result<Child, Failed> {
    launched_on("cpu", port, place, secret)
}

/// The same on a device. It sees no GPU.
fn launched_on(device: &str, port: u16, (rank, size): (&str, &str), secret: &str) -> Result<Child, Failed> {
    Ok(Command::new("/proc/self/exe")
        .args(["rank", "--device", device])
        .env("CUDA_VISIBLE_DEVICES", "")
        .envs([("RANK", rank), ("LOCAL_RANK", rank), ("WORLD_SIZE", size), ("MASTER_ADDR", "127.0.0.1")])
        .envs([("MASTER_PORT", port.to_string().as_str()), (SECRET_VARIABLE, secret)])
        .stderr(Stdio::piped())
        .spawn()?)
}

/// Its exit code and what it said, which must come soon.
fn ending(mut child: Child) -> Result<(Option<i32>, String), Failed> {
    wait_until("a rank ends", Duration::from_secs(20), || !matches!(child.try_wait(), Ok(None)))?;
    let mut said = String::new();
    child.stderr.take().expect("stderr is piped").read_to_string(&mut said)?;
    Ok((child.wait()?.code(), said))
}

fn free_port() -> Result<u16, Failed> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn lead_launched(port: u16, size: usize, rendezvous: Duration) -> Result<World, WorldError> {
    let deadlines = Deadlines { rendezvous, latecomers: Duration::from_secs(2), ..Deadlines::default() };
    World::of_launched(("127.0.0.1", port), Secret::new(SECRET).unwrap(), None, Device::Cpu, size, deadlines)
}

/// What is wrong with one of the ranks.
#[derive(Clone, Copy)]
pub(crate) enum Wrong {
    Secret,
    World,
    Taken,
}

pub(crate) fn refused(wrong: Wrong) -> Result<(), Failed> {
    let port = free_port()?;
    let honest = launched(port, ("0", "3"), SECRET)?;
    let begin = Instant::now();
    let leader = thread::spawn(move || lead_launched(port, 3, Duration::from_secs(60)).map(drop));
    // The honest one is to be there first, which nothing but the refusal of a taken rank depends on.
    thread::sleep(Duration::from_millis(1500));
    let (place, secret) = match wrong {
        Wrong::Secret => (("1", "3"), "the secret of some other tests"),
        Wrong::World => (("3", "4"), SECRET),
        Wrong::Taken => (("0", "3"), SECRET),
    };
    let (code, said) = ending(launched(port, place, secret)?)?;
    let refusal = match leader.join().expect("the leader does not panic") {
        Err(WorldError::Refused { refusal, .. }) => refusal,
        other => return Err(format!("the leader says {other:?}").into()),
    };
    let is_right = match wrong {
        Wrong::Secret => refusal == Refusal::WrongSecret,
        Wrong::World => refusal == Refusal::OtherWorld { ours: 3, theirs: 4 },
        Wrong::Taken => matches!(refusal, Refusal::Taken { rank: 0, .. }),
    };
    assert!(is_right, "{refusal:?}");
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains(&refusal.to_string()), "{said}");
    let (code, said) = ending(honest)?;
    assert_eq!(code, Some(4));
    assert!(said.contains("did not come together") && said.contains(&refusal.to_string()), "{said}");
    assert!(begin.elapsed() < Duration::from_secs(20));
    Ok(())
}

/// The other rank was on its way when one was turned away.
pub(crate) fn late_to_a_refusal() -> Result<(), Failed> {
    let port = free_port()?;
    let leader = thread::spawn(move || lead_launched(port, 2, Duration::from_secs(60)).map(drop));
    let (code, _) = ending(launched(port, ("1", "2"), "the secret of some other tests")?)?;
    assert_eq!(code, Some(2));
    let begin = Instant::now();
    let (code, said) = ending(launched(port, ("0", "2"), SECRET)?)?;
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    assert!(code == Some(4) && said.contains(&Refusal::WrongSecret.to_string()), "{code:?} {said}");
    assert!(matches!(leader.join().expect("the leader does not panic"), Err(WorldError::Refused { .. })));
    Ok(())
}

pub(crate) fn unfit() -> Result<(), Failed> {
    for (place, secret, words) in [
        (("3", "3"), SECRET, "RANK is 3, but must be less than WORLD_SIZE, which is 3"),
        (("0", "3"), "short", "5 characters"),
    ] {
        let (code, said) = ending(launched(1, place, secret)?)?;
        assert_eq!(code, Some(2));
        assert!(said.contains(words), "{said}");
    }
    Ok(())
}

pub(crate) fn without_gpu() -> Result<(), Failed> {
    let port = free_port()?;
    let rank = launched_on("cuda", port, ("1", "2"), SECRET)?;
    let secret = Secret::new(SECRET).unwrap();
    let begin = Instant::now();
    let error =
        World::of_launched(("127.0.0.1", port), secret, None, Device::Cuda, 2, Deadlines::default()).unwrap_err();
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    assert!(error.to_string().ends_with("this rank has none, but the ranks need a GPU"), "{error}");
    let (code, said) = ending(rank)?;
    assert!(code.is_some_and(|code| code != 0) && said.starts_with("rank: rank 1"), "{code:?} {said}");
    Ok(())
}

pub(crate) fn missing() -> Result<(), Failed> {
    let port = free_port()?;
    let ranks = [launched(port, ("1", "4"), SECRET)?, launched(port, ("3", "4"), SECRET)?];
    let error = lead_launched(port, 4, Duration::from_secs(4)).map(drop).unwrap_err();
    assert_eq!(error.to_string(), "ranks 0, 2 did not arrive within 4.0 s");
    for rank in ranks {
        let (code, said) = ending(rank)?;
        assert_eq!(code, Some(4));
        assert!(said.contains("ranks 0, 2 did not arrive within 4.0 s"), "{said}");
    }
    Ok(())
}

pub(crate) fn port_in_use() -> Result<(), Failed> {
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let port = taken.local_addr()?.port();
    let error = lead_launched(port, 2, Duration::from_secs(1)).map(drop).unwrap_err();
    let said = error.to_string();
    assert!(said.starts_with(&format!("cannot listen for ranks at 127.0.0.1:{port}: ")), "{said}");
    assert!(said.ends_with("choose another"), "{said}");
    Ok(())
}

pub(crate) fn strangers() -> Result<(), Failed> {
    let port = free_port()?;
    let leader = thread::spawn(move || -> Result<(), String> {
        let mut world = lead_launched(port, 2, Duration::from_secs(30)).map_err(|error| error.to_string())?;
        works(&mut world).map_err(|error| format!("{error:?}"))
    });
    let mut silent = Vec::new();
    wait_until("the leader listens", Duration::from_secs(5), || {
        silent.extend(TcpStream::connect(("127.0.0.1", port)).ok());
        !silent.is_empty()
    })?;
    for words in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[255; 64], &[2, 0, 0, 0, b'{', b'}'], &[9, 0, 0, 0, b'{']] {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.write_all(words)?;
        silent.push(stream);
    }
    let begin = Instant::now();
    let ranks = [launched(port, ("0", "2"), SECRET)?, launched(port, ("1", "2"), SECRET)?];
    leader.join().expect("the leader does not panic")?;
    for rank in ranks {
        assert_eq!(ending(rank)?.0, Some(0));
    }
    assert!(begin.elapsed() < Duration::from_secs(15));
    Ok(())
}

/// A leader that challenges, and then welcomes everybody with a proof that it makes up.
pub(crate) fn impostor() -> Result<(), Failed> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let rank = launched(listener.local_addr()?.port(), ("0", "1"), SECRET)?;
    let (mut stream, _) = listener.accept()?;
    let zeros = vec![0_u8; 32];
    let mut say = |message: serde_json::Value| {
        let body = message.to_string();
        stream.write_all(&(body.len() as u32).to_le_bytes()).and_then(|()| stream.write_all(body.as_bytes()))
    };
    say(serde_json::json!({ "protocol": 1, "nonce": zeros }))?;
    say(serde_json::json!({ "welcome": { "proof": zeros } }))?;
    let (code, said) = ending(rank)?;
    assert_eq!(code, Some(4));
    assert!(said.contains("is not its leader: it does not know the secret"), "{said}");
    Ok(())
}
