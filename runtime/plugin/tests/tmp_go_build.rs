#[test]
fn build() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/go/conformance");
    let job = sluice_plugin::build::Job {
        project: &root,
        name: "conformance-go",
        work: "/work/scratch/tools-go/work".into(),
        tools: std::path::Path::new("/work/scratch/tools-go"),
    };
    let bytes = sluice_plugin::build::go::build(&job).unwrap_or_else(|e| panic!("{e}"));
    std::fs::write("/work/scratch/tools-go/go.wasm", bytes).unwrap();
}
