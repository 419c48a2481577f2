//! Steps that need no component.
