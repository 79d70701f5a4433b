//! `moongate version`.

use std::process::ExitCode;

/// Prints version, compiler target and platform.
pub(super) fn run(_arguments: &[String]) -> ExitCode {
    println!("Version:      {}", env!("CARGO_PKG_VERSION"));
    println!("Codename:     moongate");
    println!("OS/Arch:      {}/{}", std::env::consts::OS, std::env::consts::ARCH);
    ExitCode::SUCCESS
}
