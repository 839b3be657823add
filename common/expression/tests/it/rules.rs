//! The rules of the language, one line each; what is expected was written down by hand.

use expression::{
    ExpressionError, Facts, FaultKind, Limits, SavedPipeline, Scope, UnknownNames, evaluate,
    evaluate_bare, evaluate_condition, evaluate_text,
};
use serde_json::{Map, Value, json};

fn roots() -> Map<String, Value> {
    let roots = json!({
        "name": "shop", "empty": "", "nothing": null, "count": 7, "ratio": 0.5, "far": 3_000_000_000_u64,
        "yes": true, "list": [3, 1, 2], "words": ["b", "a"], "map": {"k": "v", "n": {"deep": [1]}},
        "items": [{"id": "x", "size": 3}, {"id": "y", "size": 5}, {"id": "x", "size": 7}],
        "trigger": {"parameters": {"env": "prod", "size": "12"}, "user": "eve"},
        "execution": {
            "id": "01E", "application": "shop", "status": "RUNNING",
            "stages": [
                {"id": "s1", "refId": "1", "name": "Bake", "type": "bake", "status": "SUCCEEDED",
                 "context": {"ami": "ami-1"}, "outputs": {"image": "ami-1", "color": "red"}},
                {"id": "s2", "refId": "2", "name": "Ask", "type": "manualJudgment", "status": "TERMINAL",
                 "requisiteStageRefIds": ["1"], "context": {"judgmentInput": "go"},
                 "outputs": {"color": "blue"}},
                {"id": "s3", "refId": "3", "name": "Ask part", "type": "wait", "status": "RUNNING",
                 "requisiteStageRefIds": [], "parentStageId": "s2", "context": {}, "outputs": {}},
            ],
        },
    });
    roots.as_object().unwrap().clone()
}

fn facts() -> Facts {
    Facts {
        now_ms: Some(1_136_214_245_006), // 2006-01-02T15:04:05.006Z
        seed: Some(1),
        user: Some("eve".to_owned()),
        current_stage: Some("s3".to_owned()),
        pipelines: Some(vec![SavedPipeline {
            application: "shop".to_owned(),
            name: "ship".to_owned(),
            id: "p1".to_owned(),
        }]),
        unknown_names: UnknownNames::AreNull,
    }
}

fn value(expression: &str) -> Result<Value, ExpressionError> {
    let scope = Scope::new(roots(), facts());
    evaluate_text(&format!("${{{expression}}}"), &scope, &Limits::STANDARD)
}

#[track_caller]
fn all(cases: &[(&str, Value)]) {
    for (expression, expected) in cases {
        let found = value(expression).unwrap_or_else(|error| panic!("{expression}: {error}"));
        assert_eq!(&found, expected, "{expression}");
    }
}

#[track_caller]
fn errors(cases: &[(&str, &str)]) {
    for (expression, part) in cases {
        match value(expression) {
            Ok(found) => panic!("{expression} gives {found}"),
            Err(error) => assert!(error.message.contains(part), "{expression}: {error}"),
        }
    }
}

#[test]
fn operators_bind_as_they_do_in_spel() {
    all(&[
        ("1 + 2 * 3", json!(7)),
        ("(1 + 2) * 3", json!(9)),
        ("10 - 4 - 3", json!(3)),
        ("2 ^ 3 + 1", json!(9)),
        ("-2 ^ 2", json!(4)),
        ("1 + 1 == 2 and 3 > 2", json!(true)),
        ("false or true and false", json!(false)),
        ("!yes or yes", json!(true)),
        ("not (count > 5)", json!(false)),
        ("yes ? 'a' : yes ? 'b' : 'c'", json!("a")),
        ("nothing ?: empty ?: 'last'", json!("last")),
        ("7 mod 4", json!(3)),
        ("7 div 2", json!(3)),
        ("-7 / 2", json!(-3)),
        ("count between {5, 7}", json!(true)),
        ("count between {8, 9}", json!(false)),
        ("'abc' instanceof T(String)", json!(true)),
        ("3L instanceof T(Integer)", json!(false)),
        ("0x10 + 1", json!(17)),
    ]);
}

#[test]
fn numbers_are_those_of_java() {
    all(&[
        ("2147483647 + 1", json!(-2_147_483_648_i64)),
        ("far + 1", json!(3_000_000_001_u64)),
        ("5 / 2", json!(2)),
        ("5 / 2.0", json!(2.5)),
        ("'' + 10.0", json!("10.0")),
        ("'' + 1.0E10", json!("1.0E10")),
        ("'' + 100 * 1.5", json!("150.0")),
        ("ratio * 4", json!(2.0)),
        ("T(Math).round(2.5)", json!(3)),
        ("T(Math).max(2, 2.5)", json!(2.5)),
        ("T(Math).floorMod(-7, 3)", json!(2)),
        ("(ratio * 9).intValue()", json!(4)),
        ("1.0 / 0", json!("Infinity")),
        ("#toFloat('0.1')", json!(0.1)),
    ]);
    errors(&[("1 / 0", "division by zero"), ("2147483648", "2147483648L"), ("'6' / 2", "#toInt")]);
}

#[test]
fn text_is_compared_joined_and_never_a_number() {
    all(&[
        ("'10' == 10", json!(false)),
        ("parameters.size + 1", json!("121")),
        ("#toInt(parameters.size) + 1", json!(13)),
        ("'a' < 'b'", json!(true)),
        ("'x' * 3", json!("xxx")),
        ("'n: ' + nothing", json!("n: null")),
        ("'l: ' + list", json!("l: 3,1,2")),
        ("'m: ' + map", json!("m: {k=v, n={deep=[1]}}")),
        ("'it''s' + \"a \"\"b\"\"\"", json!("it'sa \"b\"")),
        ("name[0] + name['1']", json!("sh")),
        ("'v1.2.3' matches 'v[0-9.]+'", json!(true)),
        ("'a-b_c'.replaceAll('[^\\w]', '.')", json!("a.b_c")),
        ("'2006-01-02'.split('-')[1]", json!("01")),
        ("'a,b'.split(',').length", json!(2)),
        ("T(String).format('%s-%03d', name, count)", json!("shop-007")),
        ("T(String).join('+', words)", json!("b+a")),
        ("T(java.net.URLEncoder).encode('a b/ü', 'UTF-8')", json!("a+b%2F%C3%BC")),
    ]);
    errors(&[
        ("'10' < 9", "#toInt"),
        ("name.foo", "text has no property"),
        ("name.foo()", "no method"),
    ]);
}

#[test]
fn lists_and_maps_are_selected_and_projected() {
    all(&[
        ("items.?[id == 'x'].![size]", json!([3, 7])),
        ("items.^[size > 3].id", json!("y")),
        ("items.$[id == 'x'].size", json!(7)),
        ("items.?[size > #root.count]", json!([])),
        ("items.?[#this.id == 'y'].size()", json!(1)),
        ("list.![#this + 1]", json!([4, 2, 3])),
        ("map[k]", json!("v")),
        ("map['n']['deep'][0]", json!(1)),
        ("map.n.deep", json!([1])),
        ("{1, 'a', {2}}", json!([1, "a", [2]])),
        ("{a: 1, 'b': {}}", json!({"a": 1, "b": []})),
        ("{:}", json!({})),
        ("map.keySet()", json!(["k", "n"])),
        ("words.contains('a') and !words.isEmpty()", json!(true)),
        ("list.subList(1, 3)", json!([1, 2])),
        ("new String[2]{'a', 'b'}[1]", json!("b")),
        ("words.toString() + map.k", json!("[b, a]v")),
    ]);
    errors(&[
        ("list[3]", "there is no item 3"),
        ("list[-1]", "there is no item -1"),
        ("map.get('k')", "map['key']"),
        ("list.get(0)", "list[0]"),
        ("'a,b'.split(',').size()", "`length`"),
        ("map.?[value == 1]", "`values()`"),
        ("items.id", ".![id]"),
        ("items.?[size]", "true or false"),
    ]);
}

#[test]
fn null_is_passed_on_only_by_safe_navigation() {
    all(&[
        ("missing?.x?.y == null", json!(true)),
        ("map.missing ?: 'd'", json!("d")),
        ("missing?.size() ?: 0", json!(0)),
        ("#unknown == null", json!(true)),
    ]);
    errors(&[
        ("missing.x", "`missing` is not there"),
        ("nothing.x", "the value of `nothing` is null"),
        ("missing['x']", "cannot be read from null"),
        ("nothing.length()", "`length()` cannot be read from null"),
    ]);
    for expression in ["missing", "map.missing", "nothing", "missing?.x"] {
        assert_eq!(value(expression).unwrap_err().kind, FaultKind::Unresolved, "{expression}");
    }
}

#[test]
fn an_execution_and_its_stages_have_the_properties_they_have() {
    all(&[
        ("execution.id", json!("01E")),
        ("execution['status']", json!("RUNNING")),
        ("#stage('Bake').status == 'SUCCEEDED'", json!(true)),
        ("#stage('s1')['context']['ami']", json!("ami-1")),
        ("#stageByRefId('2').hasSucceeded", json!(false)),
        ("#stageExists('Nope')", json!(false)),
        ("#currentStage().parent.name", json!("Ask")),
        ("#judgment('Ask') + #judgement('Ask')", json!("gogo")),
        ("#stage('Ask').context.image", json!("ami-1")),
        ("#stage('Ask part').context['color']", json!("blue")),
        ("execution.context.color", json!("blue")),
        ("execution.stages.?[status == 'TERMINAL'].![name]", json!(["Ask"])),
        ("execution.getStages().size()", json!(3)),
        ("#stage('Bake').getStatus()", json!("SUCCEEDED")),
        ("execution.canceled", json!(false)),
        ("execution.trigger.parameters.env", json!("prod")),
        ("#currentUser()", json!("eve")),
        ("#pipelineId('ship')", json!("p1")),
        ("#pipelineIdOrNull('nope') == null", json!(true)),
    ]);
    errors(&[
        ("execution.user", "an execution has no property `user`"),
        ("#stage('Bak')", "`Bake`"),
        ("#stage('Bake').judgement", "a stage has no property `judgement`"),
        ("#pipelineId('shipp')", "`ship` is"),
        ("#nosuch(1)", "there is no function `#nosuch`"),
        ("#fromUrl('http://x')", "fetches nothing"),
    ]);
}

#[test]
fn time_and_chance_come_from_the_facts() {
    all(&[
        (
            "new java.text.SimpleDateFormat('yyyyMMdd-HHmm').format(new java.util.Date())",
            json!("20060102-1504"),
        ),
        ("T(java.time.LocalDate).now().plusDays(5).toString()", json!("2006-01-07")),
        ("T(java.time.LocalDate).parse('2026-01-31').plusMonths(1)", json!("2026-02-28")),
        ("T(java.time.LocalDate).now().dayOfWeek.toString()", json!("MONDAY")),
        (
            "T(java.time.LocalDate).now().with(T(java.time.temporal.TemporalAdjusters).next(T(java.time.DayOfWeek).valueOf('FRIDAY')))",
            json!("2006-01-06"),
        ),
        (
            "T(java.time.Instant).now().truncatedTo(T(java.time.temporal.ChronoUnit).valueOf('HOURS'))",
            json!("2006-01-02T15:00:00Z"),
        ),
        (
            "T(java.time.LocalDateTime).now().minusHours(16).toString()",
            json!("2006-01-01T23:04:05.006"),
        ),
        ("new java.util.Date().time", json!(1_136_214_245_006_i64)),
        ("T(java.util.UUID).randomUUID().toString().length()", json!(36)),
        ("new java.util.Random(42).nextInt(10)", json!(0)),
        ("new java.util.Random().nextInt(7) < 7", json!(true)),
    ]);
    let scope = Scope::new(Map::new(), Facts::default());
    for text in ["${new java.util.Date()}", "${T(java.util.UUID).randomUUID()}"] {
        let error = evaluate_text(text, &scope, &Limits::STANDARD).unwrap_err();
        assert!(error.message.contains("given here"), "{error}");
    }
}

#[test]
fn java_is_reached_only_as_far_as_the_list_goes() {
    errors(&[
        ("T(java.lang.Runtime).getRuntime().exec('id')", "is not allowed"),
        ("new java.lang.ProcessBuilder('id').start()", "is not allowed"),
        ("''.getClass()", "no method `getClass`"),
        ("''.class", "no property `class`"),
        ("T(String).getClassLoader()", "no method"),
        ("T(Integer).MAX_VALUE", "no property"),
        ("T(Integer).getInteger('x')", "no method"),
        ("T(java.lang.Class).forName('x')", "is not allowed"),
        ("@bean", "beans"),
        ("''.bytes", "no property"),
        ("words.add('x')", "no method"),
        ("{1}.stream()", "no method"),
        ("#root.getClass()", "no method"),
    ]);
}

#[test]
fn json_yaml_and_base64_are_read_and_written() {
    all(&[
        ("#toJson(map)", json!("{\"k\":\"v\",\"n\":{\"deep\":[1]}}")),
        ("#toJson(nothing)", json!("null")),
        ("#readJson('{\"a\": [1, null]}').a[0]", json!(1)),
        ("#readYaml('a: yes')", json!({"a": true})),
        ("#fromBase64(#toBase64('Grüße'))", json!("Grüße")),
        ("#fromBase64('WW8')", json!("Yo")),
        ("#alphanumerical('a-b_1')", json!("ab1")),
        ("#toBoolean('TRUE') and !#toBoolean(nothing)", json!(true)),
    ]);
    errors(&[
        ("#toInt('1.5')", "not a whole number"),
        ("#toInt(nothing)", "is null"),
        ("#readJson('\"x\"')", "neither a list nor a map"),
        ("#readJson('{')", "line 1"),
        ("#toJson('${')", "holds `${`"),
    ]);
}

#[test]
fn mixed_text_keeps_what_is_null_and_fails_as_a_whole() {
    let scope = Scope::new(roots(), facts());
    let of = |text: &str| evaluate(&json!({ "field": text }), &scope, &Limits::STANDARD);
    for (text, result, levels) in [
        ("a ${name} b ${list}", "a shop b 3,1,2", ""),
        ("${ missing } and ${name}", "${missing} and shop", "INFO"),
        ("${name} and ${missing.x}", "${name} and ${missing.x}", "ERROR"),
        ("${name} ${map}", "${name} ${map}", "ERROR"),
        ("${name} ${", "${name} ${", "ERROR"),
        ("$${name}", "$shop", ""),
        ("${'${name}'}", "${name}", ""),
        ("#{name} $name", "#{name} $name", ""),
    ] {
        let evaluated = of(text);
        assert_eq!(evaluated.value["field"], result, "{text}");
        let found: Vec<Value> =
            evaluated.summary.values().flatten().map(|entry| json!(entry.level)).collect();
        let expected: Vec<Value> = levels.split_whitespace().map(|level| json!(level)).collect();
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn a_summary_names_the_expression_the_place_and_what_there_is() {
    let scope = Scope::new(roots(), facts());
    let document = json!({ "a": { "b/c": ["x ${ map.kk }"] } });
    let evaluated = evaluate(&document, &scope, &Limits::STANDARD);
    let summary = json!(evaluated.summary);
    assert_eq!(
        summary,
        json!({ "x map.kk": [{
            "description": "Failed to evaluate [a] map.kk not found: `kk` is not there; `k`, `n` are",
            "exceptionType": null, "level": "INFO", "pointer": "/a/b~1c/0", "column": 10,
        }] })
    );
    let evaluated = evaluate(&json!({ "w": "${ name + }" }), &scope, &Limits::STANDARD);
    let entry = &json!(evaluated.summary)["name +"][0];
    assert_eq!(entry["exceptionType"], "ExpressionSyntaxError");
    assert_eq!(entry["column"], 10);
}

#[test]
fn keys_are_evaluated_and_turned_into_text() {
    let scope = Scope::new(roots(), facts());
    let document = json!({ "${count}": 1, "a-${name}": "${count}", "${missing}": 2, "${map}": 3 });
    let evaluated = evaluate(&document, &scope, &Limits::STANDARD);
    let expected = json!({ "7": 1, "a-shop": 7, "${missing}": 2, "${map}": 3 });
    assert_eq!(evaluated.value, expected);
}

#[test]
fn unknown_names_are_errors_where_the_caller_wants_it() {
    let facts = Facts { unknown_names: UnknownNames::AreErrors, ..facts() };
    let scope = Scope::new(roots(), facts);
    let of = |text: &str| evaluate_text(text, &scope, &Limits::STANDARD);
    assert_eq!(of("${missing ?: 'd'}").unwrap_err().kind, FaultKind::Evaluation);
    assert_eq!(of("${nothing ?: 'd'}").unwrap(), "d");
}

#[test]
fn assignments_give_their_value_and_change_nothing() {
    let scope = Scope::new(roots(), facts());
    let text = "${name = 'x'} ${name} ${count++} ${++count} ${count}";
    let found = evaluate_text(text, &scope, &Limits::STANDARD).unwrap();
    assert_eq!(found, "x shop 7 8 7");
    errors(&[("missing.x = 1", "null"), ("1 = 2", "assigned"), ("name.length() = 2", "assigned")]);
}

#[test]
fn conditions_take_data_as_data() {
    let scope = |env: &str| {
        let roots = json!({ "trigger": { "parameters": { "env": env } } });
        Scope::new(roots.as_object().unwrap().clone(), Facts::default())
    };
    for (text, env, expected) in [
        ("parameters.env == 'a'", "a", Some(true)),
        ("'${parameters.env}' == 'a'", "a", Some(true)),
        ("\"x${parameters.env}\" == 'xa' and true", "a", Some(true)),
        ("'${parameters.env}'.contains('b')", "abc", Some(true)),
        ("${parameters.env} >= 10", "9", Some(false)),
        ("${parameters.env}", "True", Some(true)),
        ("'${parameters.env}' == 'a'", "' == '' or '' == '", Some(false)),
        ("${parameters.env}", "1 == 1", None),
        ("parameters.env", "1 == 1", None),
        ("'${parameters.nope}' == ''", "a", None),
        ("", "a", None),
        ("5", "a", None),
    ] {
        let found = evaluate_condition(text, &scope(env), &Limits::STANDARD);
        assert_eq!(found.clone().ok(), expected, "{text} with {env}: {found:?}");
    }
    let error = evaluate_bare("parameters.nope", &scope("a"), &Limits::STANDARD).unwrap_err();
    assert_eq!((error.kind, error.column), (FaultKind::Unresolved, 12));
}
