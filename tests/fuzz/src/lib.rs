//! What targets share: an allocator under which a parser that asks for an absurd piece of memory fails at once, and the
//! library's surroundings.

pub mod library;

use std::alloc::{GlobalAlloc, Layout, System};

/// Largest piece that a parser may ask for. Inputs have a few kilobytes.
const LIMIT: usize = 64 << 20;

struct Limited;

#[global_allocator]
static ALLOCATOR: Limited = Limited;

fn check(size: usize) {
    if size > LIMIT {
        eprintln!("an allocation of {size} bytes is too large");
        std::process::abort();
    }
}

// SAFETY: everything is handed to the system's allocator.
unsafe impl GlobalAlloc for Limited {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        check(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        check(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        check(size);
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}
