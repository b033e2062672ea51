//! A buffer on the GPU and how kernels see it.

use cubecl::prelude::*;
use cubecl::server::Handle;

/// Memory of a fixed size.
#[derive(Clone, Debug)]
pub struct Buffer {
    pub(crate) handle: Handle,
    /// Its size, a multiple of 16.
    pub(crate) bytes: usize,
}

impl Buffer {
    /// As single words.
    pub(crate) fn words(&self) -> BufferArg {
        self.elements(4)
    }

    /// As vectors of four words.
    pub(crate) fn vectors(&self) -> BufferArg {
        self.elements(16)
    }

    /// As single numbers of `size` bytes.
    pub(crate) fn numbers(&self, size: usize) -> BufferArg {
        self.elements(size)
    }

    #[allow(unsafe_code)]
    fn elements(&self, size: usize) -> BufferArg {
        // SAFETY: the length is the buffer's own, in elements of the size that the kernel declares.
        unsafe { BufferArg::from_raw_parts(self.handle.clone(), self.bytes / size) }
    }
}
