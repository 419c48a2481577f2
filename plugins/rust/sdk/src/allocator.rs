//! Memory for an instance that lives for one batch.
//!
//! Blocks come off the end of what is in use. A large block that is freed at the end, or grows there, does so in place;
//! small blocks go by powers of two and are used again, so that a text a row does not fill the memory.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;

/// Blocks of at most this size go by powers of two.
const SMALL: usize = 4096;
/// The smallest block: room for a link, and aligned for everything that Rust or the canonical ABI asks for.
const GRAIN: usize = 16;
const CLASSES: usize = (SMALL / GRAIN).ilog2() as usize + 1;
/// Large free blocks that a search looks at.
const LOOKED_AT: usize = 16;
const PAGE: usize = 65_536;
/// Memory grows by so many pages if it may: each growth is a call to the operating system.
const STEP: usize = 32;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator(UnsafeCell::new(Heap { next: 0, end: 0, small: [0; CLASSES], large: 0 }));

struct Allocator(UnsafeCell<Heap>);

// SAFETY: a component has one thread.
unsafe impl Sync for Allocator {}

struct Heap {
    /// The first address that nobody has.
    next: usize,
    /// Where memory ends.
    end: usize,
    /// The first free block of each class, 0 if there is none.
    small: [usize; CLASSES],
    /// The first large free block.
    large: usize,
}

/// What a large free block begins with.
struct Free {
    next: usize,
    size: usize,
}

unsafe extern "C" {
    /// Where the linker's own data ends.
    static __heap_base: u8;
}

/// The size that a layout takes.
fn size_of(layout: &Layout) -> usize {
    let size = layout.size().max(GRAIN);
    if size <= SMALL { size.next_power_of_two() } else { size.next_multiple_of(GRAIN) }
}

fn class_of(size: usize) -> usize {
    (size / GRAIN).ilog2() as usize
}

impl Heap {
    fn allocate(&mut self, size: usize) -> usize {
        let reused = if size <= SMALL { self.reuse_small(size) } else { self.reuse_large(size) };
        if reused != 0 { reused } else { self.extend(size) }
    }

    fn reuse_small(&mut self, size: usize) -> usize {
        let first = &mut self.small[class_of(size)];
        let block = *first;
        if block != 0 {
            // SAFETY: a free block begins with the address of the next one.
            *first = unsafe { *(block as *const usize) };
        }
        block
    }

    fn reuse_large(&mut self, size: usize) -> usize {
        let mut link: *mut usize = &mut self.large;
        for _ in 0..LOOKED_AT {
            // SAFETY: `link` is the list's head or lies in a free block, which begins with a `Free`.
            let block = unsafe { *link };
            if block == 0 {
                return 0;
            }
            let free = block as *mut Free;
            // SAFETY: as above.
            unsafe {
                // A block much too large is kept for something larger.
                if (*free).size >= size && (*free).size / 2 <= size {
                    *link = (*free).next;
                    return block;
                }
                link = &raw mut (*free).next;
            }
        }
        0
    }

    /// New memory; 0 if there is no more.
    fn extend(&mut self, size: usize) -> usize {
        if self.next == 0 {
            self.next = (&raw const __heap_base as usize).next_multiple_of(GRAIN);
            self.end = core::arch::wasm32::memory_size(0) * PAGE;
        }
        let block = self.next;
        let Some(next) = block.checked_add(size) else { return 0 };
        if next > self.end && !self.grow(next - self.end) {
            return 0;
        }
        self.next = next;
        block
    }

    fn grow(&mut self, missing: usize) -> bool {
        let needed = missing.div_ceil(PAGE);
        for pages in [needed.max(STEP), needed] {
            let before = core::arch::wasm32::memory_grow(0, pages);
            if before != usize::MAX {
                self.end = ((before + pages) * PAGE).max(self.end);
                return true;
            }
        }
        false
    }

    fn free(&mut self, block: usize, size: usize) {
        if block + size == self.next {
            self.next = block;
        } else if size <= SMALL {
            let first = &mut self.small[class_of(size)];
            // SAFETY: the block is free and has room for an address.
            unsafe { *(block as *mut usize) = *first };
            *first = block;
        } else {
            // SAFETY: the block is free and has room for a `Free`.
            unsafe { *(block as *mut Free) = Free { next: self.large, size } };
            self.large = block;
        }
    }
}

// SAFETY: a block is handed out once until it is freed, is as large as asked for and aligned to `GRAIN`; larger
// alignments are refused.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.align() > GRAIN {
            return std::ptr::null_mut();
        }
        // SAFETY: there is one thread, and the heap does not call back.
        unsafe { (*self.0.get()).allocate(size_of(&layout)) as *mut u8 }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above; the block came from `alloc` with this layout.
        unsafe { (*self.0.get()).free(block as usize, size_of(&layout)) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller's alignment is valid and the size was checked.
        let wanted = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        let (old, new) = (size_of(&layout), size_of(&wanted));
        if old == new {
            return block;
        }
        // SAFETY: there is one thread, and the heap does not call back.
        let heap = unsafe { &mut *self.0.get() };
        if block as usize + old == heap.next && new > old && heap.extend(new - old) != 0 {
            return block;
        }
        // SAFETY: both blocks are as large as their layouts say.
        unsafe {
            let moved = self.alloc(wanted);
            if !moved.is_null() {
                std::ptr::copy_nonoverlapping(block, moved, layout.size().min(new_size));
                self.dealloc(block, layout);
            }
            moved
        }
    }
}
