//! The choice: which files of a repository or folder a model needs.

use crate::{error::LibraryError, hub::Listed, source::is_gguf};
use citer_files::folder::{CONFIG, GENERATION_CONFIG, TEMPLATE, TOKENIZER, TOKENIZER_CONFIG, WEIGHTS};
use citer_files::shards::INDEX;

/// Files that every safetensors model has.
pub(crate) const REQUIRED: [&str; 2] = [CONFIG, TOKENIZER];
/// Files that it may have: chat template, stop tokens, and a router trained for it.
pub(crate) const OPTIONAL: [&str; 5] =
    [TOKENIZER_CONFIG, GENERATION_CONFIG, TEMPLATE, "router.safetensors", "router.json"];

/// GGUF number formats from the most to the least wanted: the smallest that keeps quality first.
const PREFERRED: [&str; 8] = ["Q4_K_M", "Q4_0", "Q4_K_S", "Q8_0", "Q6_K", "Q5_0", "F16", "BF16"];

/// The files to fetch of those in `listing`. `file` asks for a GGUF file by name or part of it; without it safetensors are
/// preferred, then the best known GGUF.
pub(crate) fn choose(listing: &[Listed], file: Option<&str>) -> Result<Vec<Listed>, LibraryError> {
    let find = |name: &str| listing.iter().find(|listed| listed.name == name);
    let weights: Vec<&Listed> = match (find(WEIGHTS), find(INDEX)) {
        _ if file.is_some() => Vec::new(),
        (Some(single), _) => vec![single],
        (None, Some(index)) => std::iter::once(index).chain(listing.iter().filter(|f| is_shard(&f.name))).collect(),
        (None, None) => Vec::new(),
    };
    if weights.is_empty() {
        return gguf(listing, file);
    }
    let mut chosen = Vec::new();
    for name in REQUIRED {
        chosen.push(find(name).ok_or_else(|| LibraryError::Incomplete(name.into()))?);
    }
    chosen.extend(OPTIONAL.iter().filter_map(|name| find(name)));
    chosen.extend(weights);
    Ok(chosen.into_iter().cloned().collect())
}

/// `model-00001-of-00002.safetensors`.
fn is_shard(name: &str) -> bool {
    let numbers = name.strip_prefix("model-").and_then(|rest| rest.strip_suffix(".safetensors"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    numbers.and_then(|rest| rest.split_once("-of-")).is_some_and(|(part, all)| is_number(part) && is_number(all))
}

fn gguf(listing: &[Listed], file: Option<&str>) -> Result<Vec<Listed>, LibraryError> {
    // A projector for images, or a file in several parts, is no model that one file holds.
    let whole = |listed: &&Listed| {
        let lower = listed.name.to_ascii_lowercase();
        is_gguf(&lower) && !lower.contains("mmproj") && !lower.contains("-of-")
    };
    let files: Vec<&Listed> = listing.iter().filter(whole).collect();
    let holds = |listed: &&&Listed, part: &str| {
        let stem = listed.name.to_ascii_lowercase();
        let part = part.to_ascii_lowercase();
        stem == part || names(stem.trim_end_matches(".gguf"), &part)
    };
    let found = match file {
        Some(part) => files.iter().find(|f| f.name == part).or_else(|| files.iter().find(|f| holds(f, part))),
        None => PREFERRED.iter().find_map(|format| files.iter().find(|f| holds(f, format))).or(files.first()),
    };
    match (found, file) {
        (Some(found), _) => Ok(vec![(*found).clone()]),
        (None, Some(wanted)) if !files.is_empty() => {
            let available: Vec<&str> = files.iter().map(|listed| listed.name.as_str()).collect();
            Err(LibraryError::NoSuchFile { wanted: wanted.into(), available: available.join(", ") })
        }
        (None, _) => Err(LibraryError::Incomplete(WEIGHTS.into())),
    }
}

/// Whether `stem` ends in `part` after a separator: `x-Q4_0` names Q4_0, `x-IQ4_0` does not.
fn names(stem: &str, part: &str) -> bool {
    stem.strip_suffix(part).is_some_and(|before| before.is_empty() || before.ends_with(['-', '.', '_', '/']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(names: &[&str]) -> Vec<Listed> {
        names.iter().map(|name| Listed { name: (*name).into(), size: 1, sha256: None }).collect()
    }

    fn chosen(names: &[&str], file: Option<&str>) -> Vec<String> {
        choose(&listing(names), file).unwrap().into_iter().map(|listed| listed.name).collect()
    }

    #[test]
    fn safetensors_come_first_and_nothing_else_is_fetched() {
        let all = [
            "README.md",
            "config.json",
            "generation_config.json",
            "model.safetensors",
            "n-Q4_0.gguf",
            "onnx/model.onnx",
            "pytorch_model.bin",
            "sub/config.json",
            "tokenizer.json",
        ];
        assert_eq!(
            chosen(&all, None),
            ["config.json", "tokenizer.json", "generation_config.json", "model.safetensors"]
        );
        assert_eq!(chosen(&all, Some("q4_0")), ["n-Q4_0.gguf"]);
        let error = choose(&listing(&["config.json", "model.safetensors"]), None).unwrap_err();
        assert_eq!(error, LibraryError::Incomplete("tokenizer.json".into()));
    }

    #[test]
    fn shards_come_with_their_index() {
        let shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
        let mut all = vec!["config.json", "tokenizer.json", INDEX, "model-x-of-y.safetensors"];
        all.extend(shards);
        assert_eq!(chosen(&all, None)[2..], [INDEX, shards[0], shards[1]]);
    }

    #[test]
    fn gguf_files_are_chosen_by_format() {
        let all = ["m-F16.gguf", "m-IQ4_0.gguf", "m-Q8_0.gguf", "m.Q4_K_M.gguf", "mmproj-m-Q4_K_M.gguf"];
        assert_eq!(chosen(&all, None), ["m.Q4_K_M.gguf"]);
        assert_eq!(chosen(&all[..3], None), ["m-Q8_0.gguf"]);
        assert_eq!(chosen(&all, Some("f16")), ["m-F16.gguf"]);
        assert_eq!(chosen(&all, Some("m-Q8_0.gguf")), ["m-Q8_0.gguf"]);
        let error = choose(&listing(&all), Some("Q4_0")).unwrap_err();
        assert!(matches!(&error, LibraryError::NoSuchFile { available, .. } if available.contains("Q8_0")), "{error}");
        assert!(matches!(choose(&[], None), Err(LibraryError::Incomplete(_))));
    }
}
