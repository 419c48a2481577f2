use std::sync::Arc;
use std::time::Duration;

use super::listing::Shape;
use super::word::{Named, Word, join};

/// How many objects a listing asks a store for at once: a folder of fewer costs one question either way.
const ONE_PAGE: usize = 1_000;

/// Decides how much of a table's folders is looked at.
///
/// In a folder of very many files whose changes sort by time, what is new lies behind the newest that was consumed, and
/// looking there is cheap. Now and then, and always at first, the whole folder is looked at, so that late files are found.
#[derive(Debug)]
pub(super) struct Watch {
    every: Duration,
    whole_at_us: Option<i64>,
    folders: Vec<Ahead>,
    word: Arc<Word>,
    /// What word named that no look has taken in yet.
    named: Named,
}

#[derive(Debug, Clone, Default)]
struct Ahead {
    /// Whether looking behind the newest consumed file will do.
    valid: bool,
    /// The location of that file.
    newest: Option<String>,
}

impl Watch {
    pub fn new(folders: usize, every: Duration, word: Arc<Word>) -> Self {
        let folders = vec![Ahead::default(); folders];
        Self { every, whole_at_us: None, folders, word, named: Named::new() }
    }

    /// For each folder the location behind which to look; `None` for the whole folder.
    pub fn after(&mut self, now_us: i64, whole: bool) -> Vec<Option<String>> {
        let every = i64::try_from(self.every.as_micros()).unwrap_or(i64::MAX);
        let due = self.whole_at_us.is_none_or(|at| now_us.saturating_sub(at) >= every || now_us < at);
        join(&mut self.named, self.word.take());
        let behind = |(number, folder): (usize, &Ahead)| {
            let newest = folder.newest.as_ref().filter(|_| folder.valid && !due && !whole)?;
            // What word names is late, or an old file anew, if it does not lie behind the newest.
            self.named.get(&number).is_none_or(|named| named > newest).then(|| newest.clone())
        };
        self.folders.iter().enumerate().map(behind).collect()
    }

    /// Takes in what a look showed: the shapes of folders looked at as a whole, and up to where each was consumed.
    pub fn looked(&mut self, now_us: i64, shapes: &[Option<Shape>], consumed_to: Vec<Option<String>>) {
        self.named.clear();
        if shapes.iter().all(Option::is_some) {
            self.whole_at_us = Some(now_us);
        }
        for ((folder, shape), newest) in self.folders.iter_mut().zip(shapes).zip(consumed_to) {
            if let Some(shape) = shape {
                *folder = Ahead { valid: shape.by_time && shape.objects >= ONE_PAGE, newest };
            }
        }
    }

    /// A file of changes has been consumed whole.
    pub fn consumed(&mut self, folder: usize, location: &str) {
        if let Some(folder) = self.folders.get_mut(folder)
            && folder.newest.as_deref().is_none_or(|newest| newest < location)
        {
            folder.newest = Some(location.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_secs(60);

    fn looked(objects: usize, by_time: bool) -> Watch {
        let mut watch = Watch::new(1, EVERY, Arc::default());
        assert_eq!(watch.after(0, false), [None], "the first look is at everything");
        watch.looked(0, &[Some(Shape { objects, by_time })], vec![Some("b".into())]);
        watch
    }

    #[test]
    fn a_large_folder_is_looked_at_from_the_newest_consumed_file_on_and_now_and_then_as_a_whole() {
        let mut watch = looked(5_000, true);
        assert_eq!(watch.after(1, false), [Some("b".to_owned())]);
        watch.consumed(0, "c");
        watch.consumed(0, "a");
        watch.looked(1, &[None], vec![None]);
        assert_eq!(watch.after(2, false), [Some("c".to_owned())]);
        assert_eq!(watch.after(2, true), [None], "if something has changed");
        assert_eq!(watch.after(EVERY.as_micros() as i64, false), [None]);
        assert_eq!(watch.after(-1, false), [None], "a clock that was set back does not put it off");
    }

    #[test]
    fn word_of_what_does_not_lie_behind_the_newest_makes_the_next_look_a_whole_one() {
        let mut watch = looked(5_000, true);
        watch.word.take_in(Some(0), "c");
        watch.word.take_in(None, "a");
        assert_eq!(watch.after(1, false), [Some("b".to_owned())], "what is newer is found anyway");
        watch.word.take_in(Some(0), "a");
        watch.word.take_in(Some(0), "d");
        assert_eq!(watch.after(1, false), [None]);
        assert_eq!(watch.after(1, false), [None], "until a look succeeds");
        watch.looked(1, &[Some(Shape { objects: 5_000, by_time: true })], vec![Some("b".into())]);
        assert_eq!(watch.after(2, false), [Some("b".to_owned())]);
    }

    #[test]
    fn small_folders_and_those_that_do_not_sort_by_time_are_always_looked_at_as_a_whole() {
        assert_eq!(looked(10, true).after(1, false), [None]);
        assert_eq!(looked(5_000, false).after(1, false), [None]);
    }
}
