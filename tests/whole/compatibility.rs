//! Real clients and all that they do: those of the matrix that a machine for development has anyway. `make test-clients` runs the others.

use std::process::Command;

#[test]
fn clients_that_are_there_anyway() {
    let names = ["curl", "wget", "Python urllib", "Node fetch", "git", "redis-cli"];
    let output = Command::new(env!("CARGO_BIN_EXE_clients")).args(names).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("\n6 of 6 clients can do what they should"), "{text}");
}
