use super::*;
use crate::plan::tests::{group, in_service};

#[test]
fn the_group_that_is_meant() {
    // Created in this order: two instances and enabled, two and disabled, one and enabled.
    let old = in_service(group("shop-v001", 100), &["i-1", "i-2"]);
    let mut disabled = in_service(group("shop-v002", 200), &["i-3", "i-4"]);
    disabled.suspended.insert("AddToLoadBalancer".to_owned());
    let new = in_service(group("shop-v003", 300), &["i-5"]);
    let mut going = in_service(group("shop-v004", 400), &["i-6", "i-7", "i-8"]);
    going.lifecycle = GroupLifecycle::Deleting;
    let all = [new, going.clone(), disabled.clone(), old];
    for (selection, only_enabled, expected) in [
        (GroupSelection::Newest, true, Ok("shop-v003")),
        (GroupSelection::Oldest, true, Ok("shop-v001")),
        (GroupSelection::Largest, true, Ok("shop-v001")),
        // Of the two largest the newest.
        (GroupSelection::Largest, false, Ok("shop-v002")),
        (GroupSelection::Fail, true, Err(several(&["shop-v001", "shop-v003"]))),
        (GroupSelection::Fail, false, Err(several(&["shop-v001", "shop-v002", "shop-v003"]))),
    ] {
        let chosen = choose(&all, selection, only_enabled).map(|group| group.name.as_str());
        assert_eq!(chosen, expected, "{selection:?} {only_enabled}");
    }
    for selection in [
        GroupSelection::Newest,
        GroupSelection::Oldest,
        GroupSelection::Largest,
        GroupSelection::Fail,
    ] {
        let name = |groups: &[ServerGroup], only_enabled| {
            choose(groups, selection, only_enabled).map(|group| group.name.clone())
        };
        assert_eq!(name(&[], true), Err(NoGroup::Empty));
        assert_eq!(name(std::slice::from_ref(&going), false), Err(NoGroup::Empty));
        let one = [disabled.clone()];
        assert_eq!(name(&one, true), Err(NoGroup::AllDisabled(vec!["shop-v002".to_owned()])));
        assert_eq!(name(&one, false), Ok("shop-v002".to_owned()));
    }
}

fn several(names: &[&str]) -> NoGroup {
    NoGroup::Several(names.iter().map(|name| (*name).to_owned()).collect())
}

#[test]
fn many_names_are_cut() {
    let names: Vec<String> = (0..12).map(|number| format!("v{number}")).collect();
    assert_eq!(listed(&names), "v0, v1, v2, v3, v4, v5, v6, v7, v8, v9 and 2 more");
    assert_eq!(listed(&names[..1]), "v0");
}
