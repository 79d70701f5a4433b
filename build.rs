//! Lists the scripts in `scripts/`, so that adding a middleware is adding one file.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=scripts");
    println!("cargo::rerun-if-changed=build.rs");
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?);
    let mut text = listing("BUILTIN_SCRIPTS", &root, "scripts")?;
    text.push_str(&listing("BUILTIN_TCP_SCRIPTS", &root, "scripts/tcp")?);
    text.push_str(&listing("BUILTIN_DNS_SCRIPTS", &root, "scripts/dns")?);
    let out = PathBuf::from(env::var("OUT_DIR").map_err(io::Error::other)?);
    fs::write(out.join("builtin_scripts.rs"), text)
}

/// A constant that holds the scripts of a folder with their names.
fn listing(constant: &str, root: &Path, folder: &str) -> io::Result<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(root.join(folder))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        // A script's tests stand beside it.
        if name.strip_suffix(".lua").is_some_and(|stem| !stem.ends_with("_test")) {
            names.push(name);
        }
    }
    names.sort();
    let mut text = format!("const {constant}: &[(&str, &str)] = &[\n");
    for name in names {
        let path = root.join(folder).join(&name).display().to_string();
        let name = format!("{folder}/{name}");
        writeln!(text, "    ({name:?}, include_str!({path:?})),").map_err(io::Error::other)?;
    }
    text.push_str("];\n");
    Ok(text)
}
