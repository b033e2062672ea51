//! The system: what Debian and Ubuntu can install by themselves.

use crate::{command, failure::Failure, place::Place};
use std::{fs, path::Path, process::Command};

/// Whether packages come by apt.
pub fn has_apt(place: &Place) -> bool {
    Path::new("/etc/debian_version").exists() && place.which("apt-get").is_some()
}

/// Whether this is Ubuntu, where some packages have other names than in Debian.
pub fn is_ubuntu() -> bool {
    fs::read_to_string("/etc/os-release").is_ok_and(|text| text.lines().any(|line| line == "ID=ubuntu"))
}

/// Whether apt may be used without a password.
pub fn may_install(place: &Place) -> bool {
    has_apt(place) && (is_root(place) || sudo_works(place))
}

/// Installs packages by apt; ask [`may_install`] before.
pub fn install(place: &Place, packages: &[&str]) -> Result<(), Failure> {
    let advice = format!("Install {} by hand and run this again.", packages.join(" and "));
    command::run(apt(place).args(["update", "-q"]), &advice)?;
    command::run(apt(place).args(["install", "-q", "-y", "--no-install-recommends"]).args(packages), &advice)
}

fn apt(place: &Place) -> Command {
    let mut command = place.command(if is_root(place) { "env" } else { "sudo" });
    if !is_root(place) {
        command.args(["-n", "env"]);
    }
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]);
    command
}

fn is_root(place: &Place) -> bool {
    command::read(place.command("id").arg("-u")).as_deref() == Some("0")
}

fn sudo_works(place: &Place) -> bool {
    command::succeeds(place.command("sudo").args(["-n", "true"]))
}

/// Gives a Debian machine without any graphics driver the software one, so that native GPU tests can run. Elsewhere
/// the tests take what is there.
pub fn graphics(place: &Place) -> Result<(), Failure> {
    let drivers = Path::new("/usr/share/vulkan/icd.d");
    let empty = fs::read_dir(drivers).map_or(true, |mut entries| entries.next().is_none());
    if !empty || !may_install(place) {
        println!("    Vulkan drivers: as they are");
        return Ok(());
    }
    println!("    Vulkan drivers: none, the software driver is installed");
    install(place, &["mesa-vulkan-drivers"])
}
