//! Downloads with progress.

use futures::StreamExt;

/// The bytes at `url`. `progress` hears the bytes so far and, when the server says it, the total.
pub async fn download(url: &str, mut progress: impl FnMut(u64, Option<u64>)) -> Result<Vec<u8>, String> {
    let fail = |error: String| format!("{url} cannot be loaded ({error}): check the connection and reload");
    let response = reqwest::get(url).await.map_err(|e| fail(e.to_string()))?;
    if !response.status().is_success() {
        return Err(fail(format!("status {}", response.status().as_u16())));
    }
    let total = response.content_length();
    let mut bytes = Vec::new();
    let mut stream = response.bytes_stream();
    while let Some(chunk) = stream.next().await {
        bytes.extend_from_slice(&chunk.map_err(|e| fail(e.to_string()))?);
        progress(bytes.len() as u64, total);
    }
    Ok(bytes)
}
