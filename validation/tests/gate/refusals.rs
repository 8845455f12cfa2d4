//! What cannot be compared at all is refused, with an exit status of its own.

use serde_json::json;
use validation::{exit::Exit, gate::GateError};

use crate::fake::{Script, Scripts, say};

/// The error, where the baseline is this.
fn refusal(baseline: &Script) -> GateError {
    Scripts::new().compare(baseline, &Script::taking(1e-3)).unwrap_err()
}

fn changed(change: impl FnOnce(&mut Script)) -> Script {
    let mut script = Script::taking(1e-3);
    change(&mut script);
    script
}

#[test]
fn a_newer_protocol_is_refused_whatever_else_its_hello_holds() {
    let error = refusal(&changed(|script| script.hello = json!({"protocol": 2, "program": 7})));
    assert_eq!(error.exit(), Exit::BadInput);
    assert!(error.to_string().contains("it speaks version 2 of the measuring protocol"), "{error}");
}

#[test]
fn another_machine_and_another_build_are_refused() {
    let error = refusal(&changed(|script| script.hello["machine"]["cpu"] = json!("a faster one")));
    assert!(matches!(error, GateError::OtherMachine { .. }), "{error}");
    assert!(error.to_string().contains("(a faster one, "), "{error}");
    let error = refusal(&changed(|script| script.hello["machine"]["boot"] = json!("ab".repeat(32))));
    assert!(matches!(error, GateError::OtherMachine { .. }), "{error}");
    let error = refusal(&changed(|script| script.hello["program"]["build"] = json!("other")));
    assert!(matches!(error, GateError::OtherBuild { .. }) && error.exit() == Exit::BadInput, "{error}");
}

#[test]
fn other_inputs_are_refused() {
    let other = say(&json!({"prepared": {"series": ["hot"], "inputs": ["01"], "gpu": null}}));
    let error = refusal(&changed(|script| script.prepare = other));
    assert!(matches!(error, GateError::OtherInputs { .. }) && error.exit() == Exit::BadInput, "{error}");
}

#[test]
fn a_cell_that_the_baseline_cannot_prepare_is_refused_with_its_reason() {
    let unknown = say(&json!({"refused": {"reason": "this program knows no operator `resample`"}}));
    let error = refusal(&changed(|script| script.prepare = unknown));
    assert_eq!(error.exit(), Exit::BadInput);
    let expected = "the baseline cannot measure `performance::resample::cpu::f32::b1::uniform`: it refused: this program \
                    knows no operator `resample`; leave the cell out with a filter";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_series_that_the_device_does_not_have_leaves_nothing() {
    let cold = say(&json!({"prepared": {"series": ["cold"], "inputs": ["00"], "gpu": null}}));
    let error = refusal(&changed(|script| script.prepare = cold));
    assert!(matches!(error, GateError::NoSeries(_)) && error.exit() == Exit::BadInput, "{error}");
}

#[test]
fn a_program_that_does_not_measure_is_refused_with_what_it_said() {
    let scripts = Scripts::new();
    for (text, expected) in [
        (
            "#!/bin/sh\necho \"error: unrecognized subcommand 'measure'\" >&2\nexit 2\n",
            "(exit code 2); it printed: error: unrec",
        ),
        ("#!/bin/sh\nexit 0\n", "ended without an answer (exit code 0)"),
        ("#!/bin/sh\necho hello >&0\nsleep 100\n", "broke the protocol: expected value"),
    ] {
        let error = scripts.compare_text(&Script::taking(1e-3), text).unwrap_err();
        assert_eq!(error.exit(), Exit::BadInput, "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn a_program_that_is_replaced_in_the_middle_is_noticed() {
    // Each process says another hash.
    let text = format!("{{\"hello\":{}}}", Script::taking(1e-3).hello);
    let text = format!("#!/bin/sh\nhello=$(echo '{text}' | sed \"s/0000/$$/\")\necho \"$hello\" >&0\nsleep 1\n");
    let scripts = Scripts::new();
    let launch = |name: &str| validation::gate::Launch { program: scripts.write(name, &text), arguments: Vec::new() };
    let programs = validation::gate::Programs { baseline: launch("baseline"), candidate: launch("candidate") };
    let error = crate::fake::compare_programs(programs).unwrap_err();
    assert!(matches!(error, GateError::Replaced { .. }) && error.exit() == Exit::HarnessFailed, "{error}");
}
