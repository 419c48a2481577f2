// What can go wrong, in words for a person.

/**
 * A failure whose text is the whole message. Thrown in `configure` it refuses the settings or the table's columns;
 * thrown in `transform` it counts for all rows of the batch.
 */
export class TransformError extends Error {
  name = "TransformError";
}

/** Thrown in `transformRow`: sends this row to the dead letters, with the reason. */
export class Reject extends Error {
  name = "Reject";
}

/** A kernel was called outside the host. */
export class NeedsHost extends Error {
  name = "NeedsHost";

  constructor(kernel) {
    super(
      `the kernel \`${kernel}\` runs in the host, not in this JavaScript: ` +
        "`sluice plugin test` builds the transform and runs it there on sample rows",
    );
  }
}
