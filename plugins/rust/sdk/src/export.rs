//! The exports, as the canonical ABI writes them. Called by what `transform!` makes, and by nobody else.

use std::cell::RefCell;

use crate::raw::List;
use crate::{Batch, Column, InputColumn, Level, Output, Plan, Result, Setup, Transform, log};

/// What `configure` made, for the one `transform` that follows.
type Configured = (Box<dyn Shape>, Plan);

trait Shape {
    fn shape(&self, batch: &Batch) -> Result<Output>;
}

impl<T: Transform> Shape for T {
    fn shape(&self, batch: &Batch) -> Result<Output> {
        self.transform(batch)
    }
}

thread_local! {
    static CONFIGURED: RefCell<Option<Configured>> = const { RefCell::new(None) };
}

#[repr(C)]
struct RawInputColumn {
    name: List,
    data_type: List,
    nullable: bool,
    key: bool,
}

#[repr(C)]
struct RawWrite {
    name: List,
    data_type: List,
    nullable: bool,
    computed_from: List,
}

#[repr(C)]
struct RawPlan {
    reads: List,
    writes: List,
    drops: List,
    deletes: bool,
    key: List,
    fan_out: bool,
}

#[repr(C)]
struct RawOption {
    is_some: bool,
    column: u32,
}

#[repr(C)]
struct RawOutput {
    columns: List,
    keep: RawOption,
    source_rows: RawOption,
    rejected: RawOption,
    ops: RawOption,
}

/// A result whose good and bad values begin at the same address, as all of them here do.
#[repr(C)]
struct RawResult<T> {
    is_err: bool,
    value: T,
}

/// The instance ends after the batch, and what it answers with it.
fn answer<T>(is_err: bool, value: T) -> *const u8 {
    (Box::leak(Box::new(RawResult { is_err, value })) as *const RawResult<T>).cast()
}

fn leak<T>(items: Vec<T>) -> List {
    List::of(items.leak())
}

fn text(text: String) -> List {
    leak(text.into_bytes())
}

fn texts(items: Vec<String>) -> List {
    leak(items.into_iter().map(text).collect())
}

/// The export `configure`.
///
/// # Safety
///
/// The arguments are those of the export: texts and a list that the host wrote into memory of `realloc`.
pub unsafe fn configure<T: Transform + 'static>(arguments: [(*mut u8, usize); 4]) -> *const u8 {
    std::panic::set_hook(Box::new(|panic| log(Level::Error, &panic.to_string())));
    let [table, settings, seed, columns] = arguments.map(|(address, length)| List { address, length });
    // SAFETY: by the caller.
    let setup = unsafe {
        let columns = columns.into_vec::<RawInputColumn>().into_iter().map(|column| InputColumn {
            name: column.name.into_text(),
            data_type: column.data_type.into_text(),
            nullable: column.nullable,
            key: column.key,
        });
        let columns = columns.collect();
        Setup { table: table.into_text(), settings: settings.into_text(), seed: seed.into_text(), columns }
    };
    match T::configure(&setup) {
        Err(error) => answer(true, text(error.to_string())),
        Ok((transform, plan)) => {
            CONFIGURED.set(Some((Box::new(transform), plan.clone())));
            answer(false, raw_plan(plan))
        }
    }
}

fn raw_plan(plan: Plan) -> RawPlan {
    let writes = plan.writes.into_iter().map(|write| RawWrite {
        name: text(write.name),
        data_type: text(write.data_type),
        nullable: write.nullable,
        computed_from: texts(write.computed_from),
    });
    RawPlan {
        reads: texts(plan.reads),
        writes: leak(writes.collect()),
        drops: texts(plan.drops),
        deletes: plan.deletes,
        key: texts(plan.key),
        fan_out: plan.fan_out,
    }
}

/// The export `transform`.
///
/// # Safety
///
/// The arguments are those of the export: `columns` is a list that the host wrote into memory of `realloc`.
pub unsafe fn transform(rows: u32, columns: (*mut u8, usize), others: [u32; 3]) -> *const u8 {
    let Some((transform, plan)) = CONFIGURED.take() else {
        return answer(true, text("`transform` was called without `configure`".to_owned()));
    };
    // SAFETY: by the caller; a `Column` is its handle.
    let columns = unsafe { List { address: columns.0, length: columns.1 }.into_vec::<Column>() };
    let [ops, ordinals, times] = others.map(Column);
    let batch = Batch { plan, rows: rows as usize, columns, ops, ordinals, times };
    let shaped = transform.shape(&batch).and_then(|output| Ok((output.columns(&batch.plan)?, output)));
    let result = match shaped {
        Err(error) => answer(true, text(error.to_string())),
        Ok((columns, output)) => answer(false, raw_output(columns, &output)),
    };
    CONFIGURED.set(Some((transform, batch.plan)));
    result
}

fn raw_output(columns: Vec<Column>, output: &Output) -> RawOutput {
    let option = |column: Option<Column>| RawOption { is_some: column.is_some(), column: column.map_or(0, |it| it.0) };
    RawOutput {
        columns: leak(columns),
        keep: option(output.keep),
        source_rows: option(output.source_rows),
        rejected: option(output.rejected),
        ops: option(output.ops),
    }
}

/// The export `cabi_realloc`, by which the host gets memory for what it writes.
///
/// # Safety
///
/// As the canonical ABI calls it: `old` is null or was got here with `old_size` and `align`.
pub unsafe fn realloc(old: *mut u8, old_size: usize, align: usize, new_size: usize) -> *mut u8 {
    use std::alloc::{Layout, alloc, handle_alloc_error, realloc};
    if new_size == 0 {
        return align as *mut u8;
    }
    // SAFETY: by the caller; alignments in the canonical ABI are 1, 2, 4 and 8.
    unsafe {
        let layout = Layout::from_size_align_unchecked(new_size, align);
        let block = if old_size == 0 {
            alloc(layout)
        } else {
            realloc(old, Layout::from_size_align_unchecked(old_size, align), new_size)
        };
        if block.is_null() {
            handle_alloc_error(layout)
        }
        block
    }
}
