//! Parts of a WebAssembly program: bytes of code by crate, as the names of its functions tell, and bytes of data.

use crate::failure::Failure;
use std::{collections::BTreeMap, fs, ops::Range, path::Path};
use wasmparser::{BinaryReaderError, KnownCustom, Name, Parser, Payload};

/// Crates that are listed one by one; the others are added up.
const LISTED: usize = 24;

/// Bytes by part, largest first.
pub fn of(file: &Path) -> Result<Vec<(String, u64)>, Failure> {
    let bytes = fs::read(file).map_err(|error| Failure::file(file, &error))?;
    let parts = read(&bytes).map_err(|error| {
        Failure::new(format!("{} is no WebAssembly program: {error}; remove it and build again", file.display()))
    })?;
    let mut parts: Vec<_> = parts.into_iter().collect();
    parts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    if parts.len() > LISTED {
        let rest = parts.split_off(LISTED).iter().map(|(_, bytes)| bytes).sum();
        parts.push(("others".into(), rest));
    }
    Ok(parts)
}

fn read(bytes: &[u8]) -> Result<BTreeMap<String, u64>, BinaryReaderError> {
    let (mut imported, mut sizes, mut names, mut data) = (0, Vec::new(), BTreeMap::new(), 0);
    for payload in Parser::new(0).parse_all(bytes) {
        match payload? {
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    imported += usize::from(matches!(import?.ty, wasmparser::TypeRef::Func(_)));
                }
            }
            Payload::CodeSectionEntry(body) => sizes.push(length(body.range())),
            Payload::DataSection(section) => data = length(section.range()),
            Payload::CustomSection(section) => {
                let KnownCustom::Name(subsections) = section.as_known() else { continue };
                for subsection in subsections {
                    let Name::Function(functions) = subsection? else { continue };
                    for function in functions {
                        let function = function?;
                        names.insert(function.index as usize, owner(function.name));
                    }
                }
            }
            _ => {}
        }
    }
    let mut parts = BTreeMap::from([("data".to_owned(), data)]);
    for (index, size) in sizes.into_iter().enumerate() {
        let name = names.get(&(imported + index)).map_or("without a name", String::as_str);
        *parts.entry(name.to_owned()).or_default() += size;
    }
    Ok(parts)
}

fn length(range: Range<u64>) -> u64 {
    range.end - range.start
}

/// The crate that a function's name begins with: of `<a::B as c::D>::e` that is `a`, of a generic one the crate that defines
/// it, whoever uses it.
fn owner(mangled: &str) -> String {
    let name = format!("{:#}", rustc_demangle::demangle(mangled));
    let opening = |c: char| !c.is_ascii_alphanumeric() && c != '_';
    let mut path = name.trim_start_matches(opening);
    while let Some(rest) = path.strip_prefix("mut ").or_else(|| path.strip_prefix("dyn ")) {
        path = rest.trim_start_matches(opening);
    }
    let end = path.find("::").unwrap_or(0);
    let known = path.get(..end).unwrap_or_default();
    let plain = !known.is_empty() && known.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if plain { known.to_owned() } else { "without a crate".into() }
}

/// The parts as one line of JSON.
pub fn json(parts: &[(String, u64)]) -> String {
    let row = |(name, bytes): &(String, u64)| format!("{{\"part\":\"{name}\",\"bytes\":{bytes}}}");
    format!("[{}]", parts.iter().map(row).collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program with an imported function and two of its own, called `a::b` and `<c::D as e::F>::g`.
    const PROGRAM: &[u8] = &[
        0, b'a', b's', b'm', 1, 0, 0, 0, // header
        1, 4, 1, 0x60, 0, 0, // one type
        2, 7, 1, 1, b'm', 1, b'f', 0, 0, // an import
        3, 3, 2, 0, 0, // two functions
        10, 8, 2, 2, 0, 0x0b, 3, 0, 1, 0x0b, // their code: `end`, and `nop end`
        0, 32, 4, b'n', b'a', b'm', b'e', 1, 25, 2, // their names
        1, 4, b'a', b':', b':', b'b', 2, 16, b'<', b'c', b':', b':', b'D', b' ', b'a', b's', b' ', b'e', b':', b':',
        b'F', b'>', b':', b'g',
    ];

    #[test]
    fn counts_code_by_crate() {
        let parts = read(PROGRAM).expect("the program is well-formed");
        let wanted = [("a", 2), ("c", 3), ("data", 0)].map(|(name, bytes)| (name.to_owned(), bytes));
        assert_eq!(parts, BTreeMap::from(wanted));
        assert!(read(&PROGRAM[..20]).is_err());
    }

    #[test]
    fn names_the_crate_of_a_function() {
        for (name, wanted) in [
            ("core::fmt::write", "core"),
            ("<alloc::vec::Vec<T> as core::clone::Clone>::clone", "alloc"),
            ("<&mut serde_json::de::Deserializer<R> as serde::Deserializer>::x", "serde_json"),
            ("_ZN4wgpu3api6device6Device17h0123456789abcdefE", "wgpu"),
            ("memcpy", "without a crate"),
        ] {
            assert_eq!(owner(name), wanted, "{name}");
        }
        assert_eq!(json(&[("core".into(), 3)]), "[{\"part\":\"core\",\"bytes\":3}]");
    }
}
