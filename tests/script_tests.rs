//! The tests of the scripts themselves, run as users run theirs.

use std::process::Command;

/// Runs `moongate test` in the project's folder.
fn moongate_test(arguments: &[&str]) -> (bool, String) {
    let run = Command::new(env!("CARGO_BIN_EXE_moongate"))
        .arg("test")
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output();
    let run = run.unwrap();
    (run.status.success(), String::from_utf8_lossy(&run.stdout).into_owned())
}

#[test]
fn the_tests_of_all_scripts_pass_and_reach_most_lines() {
    let (passes, told) = moongate_test(&["scripts", "examples", "--coverage-min=80"]);
    assert!(passes, "{told}");
}

#[test]
fn a_failing_test_fails_the_run_and_is_in_the_report() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    std::fs::write(file("x.lua"), "return { request = function() return respond(204) end }")
        .unwrap();
    std::fs::write(
        file("x_test.lua"),
        "it('answers', function() expect(run('x').status).to_be(204) end)\n\
         it('fails', function() expect(run('x').status).to_be(200) end)\n\
         bench('x', 'x')",
    )
    .unwrap();
    let (path, junit) = (folder.path().display().to_string(), file("out.xml"));
    let report = format!("--junit={}", junit.display());
    let (passes, told) = moongate_test(&[&path, &report, "--bench"]);
    assert!(!passes);
    assert!(told.contains("1 passed, 1 failed"), "{told}");
    assert!(told.contains("x_test.lua:2: expected 204 to be 200"), "{told}");
    assert!(told.contains("ns  x, request"), "{told}");
    let xml = std::fs::read_to_string(junit).unwrap();
    assert!(xml.contains("tests=\"2\" failures=\"1\""), "{xml}");
    let (passes, told) = moongate_test(&[&path, "--filter=answers"]);
    assert!(passes, "{told}");
}
