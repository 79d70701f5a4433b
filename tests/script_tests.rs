//! The tests of the scripts themselves, run as users run theirs.

use std::path::Path;
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
fn every_script_has_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["scripts", "scripts/tcp"] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let Some(stem) = name.strip_suffix(".lua").filter(|stem| !stem.ends_with("_test"))
            else {
                continue;
            };
            let text = std::fs::read_to_string(&path).unwrap();
            // These have no code of their own.
            let has_code = text.contains("function");
            let test = path.with_file_name(format!("{stem}_test.lua"));
            assert!(!has_code || test.is_file(), "{folder}/{name} has no tests beside it");
        }
    }
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
