//! Replays.

use std::process::Command;

use fuzz::{Chance, Hunt, TARGETS, compare_versions, hunt, mutate, seeds, target};

/// Mutations tried by each test; `bowline-fuzz` tries as many as there is time for.
const MUTATIONS: u64 = 2_000;
/// The same choices each time: a test that fails fails again.
const SEED: u64 = 20_261_122;

fn check(name: &str) {
    let target = target(name).unwrap();
    let corpus = seeds(name).unwrap();
    for (file, input) in &corpus {
        assert!(std::panic::catch_unwind(|| (target.run)(input)).is_ok(), "corpus/{name}/{file}");
    }
    let corpus: Vec<Vec<u8>> = corpus.into_iter().map(|(_, input)| input).collect();
    if let Err(broken) = hunt(target, &corpus, SEED, Hunt::Inputs(MUTATIONS)) {
        panic!("{}; keep this in corpus/{name}: {}", broken.how, broken.input.escape_ascii());
    }
}

macro_rules! replayed {
    ($($test:ident: $name:literal;)*) => {
        $(#[test]
        fn $test() {
            check($name);
        })*

        #[test]
        fn every_target_is_replayed() {
            let named: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(named, [$($name),*]);
        }
    };
}

replayed! {
    notifications: "notification";
    builds_of_the_api: "build";
    names_of_jobs: "job-name";
    property_files: "properties";
    definitions: "pipeline";
    documents: "document";
    versions: "versions";
    packages: "packages";
    server_groups: "server-group";
    user_data: "user-data";
    tasks_and_results: "task";
    events_and_views: "event";
    ids: "ids";
    expressions: "expression";
}

#[test]
fn one_seed_makes_the_same_inputs() {
    let made = |seed| mutate(br#"{"a": [1, "b"]}"#, b"other", &mut Chance::new(seed));
    assert_eq!(made(7), made(7));
    assert!((0..99).any(|seed| made(seed) != made(7)));
}

#[test]
fn a_broken_reader_is_caught_and_its_input_made_small() {
    let fragile = fuzz::Target {
        name: "fragile",
        run: |data| assert!(!data.windows(2).any(|pair| pair == b"${"), "it cannot take this"),
    };
    let corpus = vec![b"a long text without anything in it".to_vec()];
    let broken = hunt(&fragile, &corpus, 1, Hunt::Inputs(100_000)).unwrap_err();
    assert_eq!((broken.input.as_slice(), broken.how.as_str()), (&b"${"[..], "it cannot take this"));
}

/// The order of versions against the program that defines it, where it is installed.
#[test]
fn versions_compare_as_dpkg_compares_them() {
    if Command::new("dpkg").arg("--version").output().is_err() {
        eprintln!("skipped: there is no dpkg");
        return;
    }
    let corpus: Vec<Vec<u8>> = seeds("versions").unwrap().into_iter().map(|(_, it)| it).collect();
    let mut chance = Chance::new(SEED);
    let mut compared = 0;
    for _ in 0..400 {
        let (one, other) = (chance.below(corpus.len()), chance.below(corpus.len()));
        let made = mutate(&corpus[one], &corpus[other], &mut chance);
        let text = String::from_utf8_lossy(&made).into_owned();
        let mut lines = text.lines().filter(|line| line.is_ascii());
        let (Some(a), Some(b)) = (lines.next(), lines.next()) else { continue };
        let Some(order) = compare_versions(a, b) else { continue };
        let dpkg = Command::new("dpkg").args(["--compare-versions", "--", a, order, b]).output();
        let dpkg = dpkg.unwrap();
        // dpkg warns of what it does not like, and compares it all the same.
        assert!(dpkg.status.success(), "`{a}` {order} `{b}`: {dpkg:?}");
        compared += 1;
    }
    assert!(compared > 50, "only {compared} pairs were versions");
}
