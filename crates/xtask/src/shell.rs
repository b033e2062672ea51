//! The shell: makes a built page installable. Its inline script becomes a file, and the service worker learns every file of
//! the bundle with its hash. Trunk calls it after a build, and the web build again once the files are optimised.

use crate::{failure::Failure, place::Place};
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

const SERVICE_WORKER: &str = "service-worker.js";
const START: &str = "start.js";
/// The line of the service worker that holds the list.
const LIST: &str = "const BUNDLE = ";
/// Files that begin so are needed only by devices without WebGPU, and kept only there.
const PROCESSOR: &str = "citer-worker-cpu";

/// Prepares the page in `folder`; doing it again changes nothing.
pub fn prepare(place: &Place, folder: &Path) -> Result<(), Failure> {
    let index = folder.join("index.html");
    let (page, scripts) = without_inline_scripts(&read(&index)?);
    if !scripts.is_empty() {
        write(&folder.join(START), scripts.as_bytes())?;
        write(&index, page.as_bytes())?;
    }
    // The benchmark is the same program under another address.
    write(&folder.join("bench.html"), page.as_bytes())?;
    let source = place.root.join("web/shell").join(SERVICE_WORKER);
    let worker = with_list(&read(&source)?, &hashes(folder)?)
        .ok_or_else(|| Failure::new(format!("{} has no line that starts with `{LIST}`", source.display())))?;
    write(&folder.join(SERVICE_WORKER), worker.as_bytes())
}

/// The page with its inline scripts replaced by one file, and their text.
fn without_inline_scripts(page: &str) -> (String, String) {
    let (mut rest, mut kept, mut scripts) = (page, String::new(), String::new());
    while let Some(start) = rest.find("<script") {
        let Some(open) = rest[start..].find('>').map(|at| start + at + 1) else { break };
        let Some(close) = rest[open..].find("</script>").map(|at| open + at) else { break };
        let end = close + "</script>".len();
        if rest[start..open].contains(" src=") {
            kept.push_str(&rest[..end]);
        } else {
            kept.push_str(&rest[..start]);
            if scripts.is_empty() {
                let _ = write!(kept, "<script type=\"module\" src=\"./{START}\"></script>");
            }
            scripts.push_str(rest[open..close].trim());
            scripts.push('\n');
        }
        rest = &rest[end..];
    }
    kept.push_str(rest);
    (kept, scripts)
}

/// Every file that a visitor may need, by its path below `folder`, with its SHA-256.
fn hashes(folder: &Path) -> Result<BTreeMap<String, String>, Failure> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(here) = folders.pop() {
        for path in entries(&here)? {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let below = path.strip_prefix(folder).unwrap_or(&path);
            let name = below.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/");
            if name != SERVICE_WORKER {
                found.insert(name, hash(&path)?);
            }
        }
    }
    Ok(found)
}

fn hash(path: &Path) -> Result<String, Failure> {
    let bytes = fs::read(path).map_err(|error| Failure::file(path, &error))?;
    Ok(hexadecimal(&bytes))
}

fn hexadecimal(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The service worker with its list; `None` where it has no place for one. The version follows from everything in it.
fn with_list(worker: &str, files: &BTreeMap<String, String>) -> Option<String> {
    let line = worker.lines().find(|line| line.starts_with(LIST))?;
    let rows = |processor: bool| {
        let wanted = files.iter().filter(|(name, _)| name.starts_with(PROCESSOR) == processor);
        wanted.map(|(name, hash)| format!("  {name:?}: \"{hash}\",\n")).collect::<String>()
    };
    let (rows, processor) = (rows(false), rows(true));
    let version = &hexadecimal(format!("{worker}{rows}{processor}").as_bytes())[..16];
    let list = format!("{LIST}{{ version: \"{version}\", files: {{\n{rows}}}, processor: {{\n{processor}}} }};");
    Some(worker.replacen(line, &list, 1))
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries = fs::read_dir(folder).map_err(|error| Failure::file(folder, &error))?;
    Ok(entries.filter_map(Result::ok).map(|entry| entry.path()).collect())
}

fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| Failure::file(path, &error))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    fs::write(path, bytes).map_err(|error| Failure::file(path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inline_scripts_become_one_file() {
        let page = "<head><script type=\"module\">\nstart();\n</script><script src=\"a.js\"></script></head>\
                    <body><script>more();</script></body>";
        let (page, scripts) = without_inline_scripts(page);
        assert_eq!(scripts, "start();\nmore();\n");
        assert_eq!(
            page,
            "<head><script type=\"module\" src=\"./start.js\"></script><script src=\"a.js\"></script></head><body></body>"
        );
        assert_eq!(without_inline_scripts(&page), (page.clone(), String::new()), "once is enough");
    }

    #[test]
    fn the_version_follows_from_the_files() {
        let worker = include_str!("../../../web/shell/service-worker.js");
        let files = |hash: &str| BTreeMap::from([("index.html".to_owned(), hash.to_owned())]);
        let [one, same, other] = ["00", "00", "01"].map(|hash| with_list(worker, &files(hash)).expect("it has a line"));
        assert_eq!(one, same);
        let version = |text: &str| text.split_once("version: \"").map(|(_, rest)| rest[..16].to_owned());
        assert_ne!(version(&one), version(&other));
        assert!(one.contains("\"index.html\": \"00\""), "{one}");
        assert_eq!(with_list("nothing", &files("00")), None);
        let both = BTreeMap::from([("citer-worker-cpu.js".to_owned(), "02".to_owned()), ("a.js".into(), "03".into())]);
        let list = with_list(worker, &both).expect("it has a line");
        let (files, processor) = list.split_once("processor: {\n  ").expect("both lists are there");
        assert!(files.contains("\"a.js\": \"03\"") && !files.contains("citer-worker-cpu.js\": "), "{files}");
        assert!(processor.starts_with("\"citer-worker-cpu.js\": \"02\""), "{processor}");
    }

    #[test]
    fn hashes_every_file_but_the_one_that_lists_them() {
        let folder = std::env::temp_dir().join(format!("xtask-shell-{}", std::process::id()));
        fs::create_dir_all(folder.join("models")).expect("the temporary folder can be written");
        for name in ["index.html", "models/weights", "models/README.md", SERVICE_WORKER] {
            fs::write(folder.join(name), "abc").expect("it can be written");
        }
        let found = hashes(&folder);
        fs::remove_dir_all(&folder).expect("it can be removed");
        let found = found.expect("it can be read");
        assert_eq!(found.keys().collect::<Vec<_>>(), ["index.html", "models/README.md", "models/weights"]);
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert!(found.values().all(|hash| hash == known));
    }
}
