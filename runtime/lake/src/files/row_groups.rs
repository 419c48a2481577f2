use parquet::basic::{ConvertedType, LogicalType, TimeUnit};
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::statistics::Statistics;

/// Which row groups of a file to read, by the bounds in its footer; a group that may hold such a value is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupFilter {
    /// All.
    All,
    /// Those with a number from the first up to and including the second, in the column of this field id.
    Numbers(i32, i64, i64),
    /// Those with a text from the first up to and including the second, in the column of this field id.
    Text(i32, String, Option<String>),
    /// Those that one of these finds.
    AnyOf(Vec<GroupFilter>),
}

impl GroupFilter {
    /// The numbers of the row groups to read; `None`: all.
    pub(super) fn choose(&self, metadata: &ParquetMetaData) -> Option<Vec<usize>> {
        if *self == GroupFilter::All {
            return None;
        }
        let groups = metadata.row_groups().iter().enumerate();
        Some(groups.filter(|(_, group)| self.wants(group)).map(|(number, _)| number).collect())
    }

    fn wants(&self, group: &RowGroupMetaData) -> bool {
        match self {
            GroupFilter::All => true,
            GroupFilter::Numbers(field, from, to) => {
                numbers(group, *field).is_none_or(|(least, greatest)| greatest >= *from && least <= *to)
            }
            GroupFilter::Text(field, from, to) => texts(group, *field).is_none_or(|(least, greatest)| {
                greatest >= from.as_bytes() && to.as_ref().is_none_or(|to| least <= to.as_bytes())
            }),
            GroupFilter::AnyOf(any) => any.iter().any(|one| one.wants(group)),
        }
    }
}

/// The statistics of the top-level column with this field id, if it is one of `kinds`.
fn statistics<'a>(group: &'a RowGroupMetaData, field: i32, kinds: &[ConvertedType]) -> Option<&'a Statistics> {
    let chunk = group.columns().iter().find(|chunk| {
        let info = chunk.column_descr().self_type().get_basic_info();
        chunk.column_path().parts().len() == 1 && info.has_id() && info.id() == field
    })?;
    let kind = chunk.column_descr();
    let other_unit =
        matches!(kind.logical_type_ref(), Some(LogicalType::Timestamp { unit, .. }) if *unit != TimeUnit::MICROS);
    (kinds.contains(&kind.converted_type()) && !other_unit).then(|| chunk.statistics())?
}

/// Least and greatest number of a column; `None` where they are not known, or count in other units than the table.
fn numbers(group: &RowGroupMetaData, field: i32) -> Option<(i64, i64)> {
    use ConvertedType::{INT_32, INT_64, NONE, TIMESTAMP_MICROS};
    match statistics(group, field, &[NONE, INT_32, INT_64, TIMESTAMP_MICROS])? {
        Statistics::Int64(bounds) => Some((*bounds.min_opt()?, *bounds.max_opt()?)),
        Statistics::Int32(bounds) => Some((i64::from(*bounds.min_opt()?), i64::from(*bounds.max_opt()?))),
        _ => None,
    }
}

fn texts(group: &RowGroupMetaData, field: i32) -> Option<(&[u8], &[u8])> {
    let found = statistics(group, field, &[ConvertedType::UTF8])?;
    if found.is_min_max_deprecated() {
        return None;
    }
    Some((found.min_bytes_opt()?, found.max_bytes_opt()?))
}
