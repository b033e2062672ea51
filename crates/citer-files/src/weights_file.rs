//! A safetensors file with the tensor names and layouts of Hugging Face Llama models.

use crate::{
    error::LoadError,
    tensors::{Tensors, finite},
};
use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors};

/// A parsed safetensors file.
pub struct WeightsFile<'a>(SafeTensors<'a>);

impl<'a> WeightsFile<'a> {
    /// Checks the file's header against its length.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, LoadError> {
        SafeTensors::deserialize(bytes).map(Self).map_err(|e| LoadError::Weights(e.to_string()))
    }
}

impl Tensors for WeightsFile<'_> {
    fn tensor(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, LoadError> {
        let view = self.0.tensor(name).map_err(|_| LoadError::MissingTensor(name.into()))?;
        if view.shape() != shape {
            return Err(LoadError::Shape { name: name.into(), found: view.shape().to_vec(), expected: shape.to_vec() });
        }
        let data = view.data();
        let pairs = || data.as_chunks::<2>().0.iter();
        let values = match view.dtype() {
            Dtype::F32 => data.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
            Dtype::F16 => pairs().map(|b| f16::from_le_bytes(*b).to_f32()).collect(),
            Dtype::BF16 => pairs().map(|b| bf16::from_le_bytes(*b).to_f32()).collect(),
            other => return Err(LoadError::DType { name: name.into(), dtype: format!("{other:?}") }),
        };
        finite(name, values)
    }
}
