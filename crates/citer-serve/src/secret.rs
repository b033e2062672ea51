//! Secrets: numbers that nobody can guess, from the system's source of randomness.

/// The system gave no random numbers.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the system gave no random numbers ({0}): try again")]
pub struct NoRandomness(getrandom::Error);

/// 192 random bits in hexadecimal.
///
/// # Errors
/// A system without randomness.
pub fn random_hex() -> Result<String, NoRandomness> {
    let mut bytes = [0; 24];
    getrandom::fill(&mut bytes).map_err(NoRandomness)?;
    Ok(hex(&bytes))
}

/// Bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
