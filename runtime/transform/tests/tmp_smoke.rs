use std::sync::{Arc, Mutex};
use wasmtime::component::{Component, Linker, Val};
use wasmtime::{Config, Engine, Store};

#[derive(Clone, Debug, PartialEq)]
struct Col { t: String, v: Vec<u8>, o: Vec<u8>, d: Vec<u8> }
#[derive(Default)]
struct State { cols: Vec<Col>, logs: Vec<String>, calls: Vec<String> }

fn list(b: &[u8]) -> Val { Val::List(b.iter().map(|b| Val::U8(*b)).collect()) }
fn bytes(v: &Val) -> Vec<u8> { match v { Val::List(l) => l.iter().map(|v| match v { Val::U8(b) => *b, _ => panic!() }).collect(), _ => panic!() } }
fn s(v: &Val) -> String { match v { Val::String(s) => s.clone(), o => panic!("{o:?}") } }
fn u(v: &Val) -> u32 { match v { Val::U32(s) => *s, o => panic!("{o:?}") } }

#[test]
fn smoke() {
    let path = std::env::var("COMPONENT").unwrap();
    let engine = Engine::new(Config::new().consume_fuel(true)).unwrap();
    let component = Component::from_file(&engine, path).unwrap();
    for (name, _) in component.component_type().imports(&engine) { eprintln!("import {name}"); }
    let state = Arc::new(Mutex::new(State::default()));
    let mut linker: Linker<()> = Linker::new(&engine);
    {
        let mut i = linker.instance("sluice:transform/columns@1.0.0").unwrap();
        let st = state.clone();
        i.func_new("type-of", move |_, _, a, r| { r[0] = Val::String(st.lock().unwrap().cols[u(&a[0]) as usize].t.clone()); Ok(()) }).unwrap();
        let st = state.clone();
        i.func_new("read", move |_, _, a, r| { let c = st.lock().unwrap().cols[u(&a[0]) as usize].clone();
            r[0] = Val::Record(vec![("validity".into(), list(&c.v)), ("offsets".into(), list(&c.o)), ("values".into(), list(&c.d))]); Ok(()) }).unwrap();
        let st = state.clone();
        i.func_new("make", move |_, _, a, r| { let mut st = st.lock().unwrap();
            let Val::Record(f) = &a[2] else { panic!() };
            st.cols.push(Col { t: s(&a[0]), v: bytes(&f[0].1), o: bytes(&f[1].1), d: bytes(&f[2].1) });
            r[0] = Val::U32(st.cols.len() as u32 - 1); Ok(()) }).unwrap();
        let st = state.clone();
        i.func_new("constant", move |_, _, a, r| { let mut st = st.lock().unwrap(); st.calls.push(format!("constant {a:?}"));
            st.cols.push(Col { t: s(&a[0]), v: vec![], o: vec![], d: vec![] });
            r[0] = Val::U32(st.cols.len() as u32 - 1); Ok(()) }).unwrap();
    }
    {
        let mut i = linker.instance("sluice:transform/diagnostics@1.0.0").unwrap();
        let st = state.clone();
        i.func_new("log", move |_, _, a, _| { st.lock().unwrap().logs.push(format!("{a:?}")); Ok(()) }).unwrap();
        i.func_new("metric", move |_, _, _, _| Ok(())).unwrap();
    }
    {
        let mut i = linker.instance("sluice:transform/kernels@1.0.0").unwrap();
        let wit = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit/transform/v1/transform.wit")).unwrap();
        let k = &wit[wit.find("interface kernels").unwrap()..wit.find("interface diagnostics").unwrap()];
        for line in k.lines() {
            if let Some((name, _)) = line.trim().split_once(": func(") {
                let st = state.clone(); let name = name.to_owned();
                i.func_new(&name.clone(), move |_, _, a, r| { st.lock().unwrap().calls.push(format!("{name} {a:?}")); r[0] = Val::U32(0); Ok(()) }).unwrap();
            }
        }
    }
    let rows: usize = std::env::var("ROWS").map_or(1000, |r| r.parse().unwrap());
    let settings = std::env::var("SETTINGS").unwrap_or_else(|_| r#"{"mode":"columns"}"#.into());
    for batch in 0..3 {
        state.lock().unwrap().cols.clear();
        state.lock().unwrap().logs.clear();
        state.lock().unwrap().calls.clear();
        let mut store = Store::new(&engine, ());
        store.set_fuel(100_000_000_000).unwrap();
        let t = std::time::Instant::now();
        let instance = linker.instantiate(&mut store, &component).unwrap();
        let configure = instance.get_func(&mut store, "configure").unwrap();
        let transform = instance.get_func(&mut store, "transform").unwrap();
        let col = |name: &str, t: &str| Val::Record(vec![("name".into(), Val::String(name.into())), ("data-type".into(), Val::String(t.into())), ("nullable".into(), Val::Bool(true)), ("key".into(), Val::Bool(false))]);
        let setup = Val::Record(vec![("table".into(), Val::String("a.b".into())), ("settings".into(), Val::String(settings.clone())), ("seed".into(), Val::String("00".repeat(32))),
            ("columns".into(), Val::List(vec![col("s", "string"), col("id", "long")]))]);
        let mut r = [Val::Bool(false)];
        configure.call(&mut store, &[setup], &mut r).unwrap();
        if batch == 0 { eprintln!("{r:?}"); }
        let texts: Vec<String> = (0..rows).map(|i| format!("text {i} é")).collect();
        let mut offsets = vec![0u8; 4]; let mut data = vec![];
        for t in &texts { data.extend(t.as_bytes()); offsets.extend((data.len() as i32).to_le_bytes()); }
        let ids: Vec<u8> = (0..rows as i64).flat_map(|i| i.to_le_bytes()).collect();
        {
            let mut st = state.lock().unwrap();
            st.cols.push(Col { t: "string".into(), v: vec![], o: offsets, d: data });
            st.cols.push(Col { t: "long".into(), v: vec![0xff; rows.div_ceil(8)], o: vec![], d: ids.clone() });
            let mut o = vec![0u8; 4]; for i in 1..=rows as i32 { o.extend(i.to_le_bytes()); }
            st.cols.push(Col { t: "string".into(), v: vec![], o, d: vec![b'I'; rows] });
            st.cols.push(Col { t: "long".into(), v: vec![], o: vec![], d: ids });
            st.cols.push(Col { t: "timestamptz".into(), v: vec![0; rows.div_ceil(8)], o: vec![], d: vec![0; rows * 8] });
        }
        let b = Val::Record(vec![("rows".into(), Val::U32(rows as u32)), ("columns".into(), Val::List(vec![Val::U32(0), Val::U32(1)])), ("ops".into(), Val::U32(2)), ("ordinals".into(), Val::U32(3)), ("times".into(), Val::U32(4))]);
        match transform.call(&mut store, &[b], &mut r) {
            Ok(()) => eprintln!("{r:?}"),
            Err(e) => eprintln!("TRAP {e:?}"),
        }
        let st = state.lock().unwrap();
        eprintln!("{:?} fuel {} logs {:?} calls {:?}", t.elapsed(), 100_000_000_000 - store.get_fuel().unwrap(), st.logs, st.calls);
        if settings.contains("columns") || settings.contains("rows") {
            assert_eq!(st.cols[5], st.cols[0]);
            assert_eq!(st.cols[6].d, st.cols[1].d);
        }
    }
}
