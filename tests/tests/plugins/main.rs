//! Every SDK keeps the same contract: guests of all languages, built from source, answer alike.

mod behaviour;
mod copies;
mod direct;
mod guest;
mod kernels;
mod values;

use guest::Language;

/// The same tests for a language, each with its guest.
macro_rules! in_language {
    ($module:ident, $language:ident) => {
        mod $module {
            use super::{Language, behaviour, copies, kernels};

            const LANGUAGE: Language = Language::$language;

            #[test]
            fn extreme_values_of_every_type_come_back() {
                copies::extreme_values(LANGUAGE);
            }

            #[test]
            fn nulls_everywhere_nowhere_and_somewhere_come_back() {
                copies::nulls(LANGUAGE);
            }

            #[test]
            fn no_row_and_a_single_row_come_back() {
                copies::few_rows(LANGUAGE);
            }

            #[test]
            fn a_hundred_thousand_rows_come_back() {
                copies::many_rows(LANGUAGE);
            }

            #[test]
            fn every_kernel_gives_what_it_gives_without_a_guest() {
                kernels::all(LANGUAGE);
            }

            #[test]
            fn rows_are_kept_dropped_and_rejected() {
                behaviour::outcome(LANGUAGE);
            }

            #[test]
            fn one_row_becomes_several() {
                behaviour::fan_out(LANGUAGE);
            }

            #[test]
            fn lines_and_metrics_arrive() {
                behaviour::log(LANGUAGE);
            }

            #[test]
            fn an_error_rejects_with_its_words() {
                behaviour::error(LANGUAGE);
            }

            #[test]
            fn a_crash_rejects_with_its_words() {
                behaviour::panic(LANGUAGE);
            }

            #[test]
            fn settings_that_mean_nothing_are_refused() {
                behaviour::unknown_mode(LANGUAGE);
            }

            #[test]
            fn the_component_imports_nothing_but_the_contract() {
                behaviour::imports(LANGUAGE);
            }
        }
    };
}

in_language!(rust, Rust);
in_language!(python, Python);
in_language!(javascript, JavaScript);
in_language!(go, Go);
in_language!(c, C);
