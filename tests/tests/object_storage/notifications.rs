//! Word of new files makes them prompt, however seldom the source is listed.

use std::fs;
use std::time::{Duration, Instant};

use sluice_tests::config::{Scenario, Settings};
use sluice_tests::process::{PATIENCE, exit, until};
use sluice_tests::services::bucket::Account;
use sluice_tests::services::moto;

use crate::{is_caught_up, program};

/// Longest time from a file to its commit, on a machine that does other things too; the next listing is minutes away.
const PROMPT: Duration = Duration::from_secs(20);

#[test]
fn a_file_that_sqs_tells_of_is_taken_in_at_once_and_its_message_removed() {
    let Some(moto) = moto::shared() else { return };
    let (bucket, queue) = (moto.bucket("notified"), moto.queue("notified"));
    bucket.put("dms/shop/orders/LOAD00000001.csv", b"1,a\n2,b\n");
    moto.tell(&bucket, "notified");
    let scenario = Scenario::new(&Settings::default(), &[]);
    let account = Account::default();
    let text = format!(
        "[s3]\nendpoint = \"{}\"\nregion = \"{}\"\naccess_key_id = \"{}\"\nsecret_access_key = \"{}\"\n\n\
         [source]\nlocation = \"s3://notified/dms\"\nnotifications.queue_url = \"{queue}\"\n\n\
         [lake]\nwarehouse = \"lake\"\n\n[process]\npoll_interval = \"10m\"\n\n\
         [tables.\"shop.orders\"]\nkey = [\"id\"]\ncolumns = [\"id long\", \"note string\"]\n",
        moto.endpoint(),
        account.region,
        account.access_key,
        account.secret_key,
    );
    fs::write(scenario.config(), text).expect("the configuration can be written");
    let table = "shop.orders".parse().expect("a table's name");
    let mut process = program().start(&scenario);
    process.wait_until("the full load", || scenario.bronze_count(&table) == 2);
    for number in 1..=3_u64 {
        assert!(until(PATIENCE, || is_caught_up(&scenario)), "{}", process.stderr());
        bucket.put(&format!("dms/shop/orders/20260101-00000000{number}.csv"), b"U,1,c\n");
        let arrived = Instant::now();
        process.wait_until("a change", || scenario.bronze_count(&table) == 2 + number);
        eprintln!("committed {:?} after it arrived", arrived.elapsed());
        assert!(arrived.elapsed() < PROMPT, "{:?}", arrived.elapsed());
    }
    assert!(until(PATIENCE, || moto.is_empty(&queue)), "messages stay in the queue\n{}", process.stderr());
    process.terminate();
    process.wait().expect_code(exit::SUCCESS);
    let silver = scenario.silver(&table).select(&["id", "note"]);
    let row = |id: &str, note: &str| vec![Some(id.to_owned()), Some(note.to_owned())];
    assert_eq!(silver, [row("1", "c"), row("2", "b")]);
}
