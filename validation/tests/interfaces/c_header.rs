//! The declarations of `robocache_subject.h`: its text without comments and layout.

use std::{fs, path::Path};

/// The header without comments and blank lines, each run of spaces one space.
fn declarations(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("/*") {
        code.push_str(&rest[..start]);
        let end = rest[start..].find("*/").expect("comments end");
        rest = &rest[start + end + "*/".len()..];
    }
    code.push_str(rest);
    let lines = code.lines().map(|line| {
        let depth = line.len() - line.trim_start().len();
        let words: Vec<_> = line.split_whitespace().collect();
        format!("{:depth$}{}", "", words.join(" "))
    });
    lines.filter(|line| !line.trim().is_empty()).map(|line| line + "\n").collect()
}

#[test]
fn the_c_header_declares_what_it_did() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/include/robocache_subject.h");
    let text = fs::read_to_string(path).unwrap();
    assert!(!text.contains("//"), "a header for C89 and for this test has comments of one kind");
    insta::assert_snapshot!(declarations(&text));
}

#[test]
fn comments_are_no_declarations() {
    assert_eq!(declarations("/* a\n b */ int  x; /* c */\n\n    int y;"), " int x;\n    int y;\n");
}
