"""What the benchmarks measure: the same work in every language, see `benches/benches/transforms.rs`."""

from sluice import Batch, Column, Output, Plan, Setup, TransformError


def configure(setup: Setup) -> Plan:
    mode = setup.settings.get("mode")
    if mode not in MODES:
        raise TransformError(f"unknown mode {mode}")
    return Plan(reads=["email"], writes={"email": "string"})


def transform(batch: Batch) -> Output:
    return Output({"email": MODES[batch.settings["mode"]](batch["email"])})


def hide_by_kernels(email: Column) -> Column:
    hidden = email.split_part("@", 0).hmac(b"a key of the benchmark's").hex()
    return hidden.concat(email.split_part("@", 1), separator="@")


def hide_by_bytes(email: Column) -> Column:
    """FNV-1a of the local part, 32 bits as hexadecimal digits, in its place."""
    hidden = []
    for address in email.values():
        if address is None:
            hidden.append(None)
            continue
        local, at, domain = address.partition("@")
        hash = 0x811C9DC5
        for byte in local.encode():
            hash = ((hash ^ byte) * 0x01000193) & 0xFFFFFFFF
        hidden.append(f"{hash:08x}{at}{domain}")
    return Column.of("string", hidden)


MODES = {"bytes": hide_by_bytes, "kernels": hide_by_kernels}
