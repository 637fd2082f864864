/** Who has to act: the one who wrote the configuration, the one who owns the data, the one who runs the machine, or us. */
export type ErrorClass = 'ConfigError' | 'DataError' | 'EnvironmentError' | 'InternalError';

/**
 * The one list of error codes: `AREA_REASON`, never reused for another meaning.
 * The value is the class that a code belongs to.
 */
export const errorCodes = {
  // what the user wrote
  CONFIG_INVALID: 'ConfigError',
  PIPELINE_INVALID: 'ConfigError',
  PIPELINE_NOT_FOUND: 'ConfigError',
  PIPELINE_DOES_NOT_COMPILE: 'ConfigError',
  PIPELINE_THROWS: 'ConfigError',
  PIPELINE_TIMEOUT: 'ConfigError',
  PARAMS_INVALID: 'ConfigError',
  PLAN_INVALID: 'ConfigError',
  PLAN_NOT_DETERMINISTIC: 'ConfigError',
  PLAN_CYCLE: 'ConfigError',
  STAGE_UNUSED: 'ConfigError',
  STAGE_LEAKS_TEST: 'ConfigError',
  STAGE_NOT_FOUND: 'ConfigError',
  CUSTOM_NOT_EXPORTED: 'ConfigError',
  CUSTOM_THROWS: 'ConfigError',
  NETWORK_SHAPE: 'ConfigError',
  NETWORK_INVALID: 'ConfigError',
  GRAPH_NOT_EXPORTABLE: 'ConfigError',
  SQL_INVALID: 'ConfigError',
  SQL_REFUSED: 'ConfigError',
  SQL_UNKNOWN_COLUMN: 'ConfigError',
  NAME_INVALID: 'ConfigError',
  GATE_INVALID: 'ConfigError',
  RUN_NOT_FOUND: 'ConfigError',
  RUN_ACTIVE: 'ConfigError',
  RUN_FINISHED: 'ConfigError',
  MODEL_NOT_FOUND: 'ConfigError',
  ENDPOINT_NOT_FOUND: 'ConfigError',
  REGISTRY_CONFLICT: 'ConfigError',
  GATE_VERSION_REVOKED: 'ConfigError',
  GATE_REQUIRED: 'ConfigError',
  GATE_BASELINE_INCOMPATIBLE: 'ConfigError',
  // what the data holds
  SOURCE_NOT_FOUND: 'DataError',
  SOURCE_EMPTY: 'DataError',
  SOURCE_MALFORMED: 'DataError',
  SOURCE_CHANGED: 'DataError',
  DATA_TYPE: 'DataError',
  DATA_NULL: 'DataError',
  DATA_KEY_NOT_UNIQUE: 'DataError',
  DATA_NOT_FINITE: 'DataError',
  DATA_OUT_OF_RANGE: 'DataError',
  DATA_EMPTY: 'DataError',
  DATA_SINGLE_CLASS: 'DataError',
  DATA_COLUMN_MISSING: 'DataError',
  SPLIT_EMPTY: 'DataError',
  GATE_BASELINE_CONTAMINATED: 'DataError',
  TRAIN_DIVERGED: 'DataError',
  EXPORT_PARITY: 'DataError',
  REQUEST_INVALID: 'DataError',
  REQUEST_TOO_LARGE: 'DataError',
  // where it runs
  LIBTORCH_MISSING: 'EnvironmentError',
  LIBTORCH_VERSION: 'EnvironmentError',
  ADDON_MISSING: 'EnvironmentError',
  TOOL_MISSING: 'EnvironmentError',
  DEVICE_UNAVAILABLE: 'EnvironmentError',
  DISK_FULL: 'EnvironmentError',
  MEMORY_FULL: 'EnvironmentError',
  PORT_IN_USE: 'EnvironmentError',
  ENDPOINT_UNAVAILABLE: 'EnvironmentError',
  SERVER_BUSY: 'EnvironmentError',
  STORE_LOCKED: 'EnvironmentError',
  STORE_VERSION: 'EnvironmentError',
  STORE_UNREADABLE: 'EnvironmentError',
  ARTIFACT_MISSING: 'EnvironmentError',
  ARTIFACT_CORRUPT: 'EnvironmentError',
  DOWNLOAD_FAILED: 'EnvironmentError',
  CHILD_DIED: 'EnvironmentError',
  WORKER_LOST: 'EnvironmentError',
  SERVER_UNREACHABLE: 'EnvironmentError',
  CANCELLED: 'EnvironmentError',
  // us
  INTERNAL: 'InternalError',
} as const satisfies Record<string, ErrorClass>;

export type ErrorCode = keyof typeof errorCodes;

/** What a {@link MillraceError} is made of. */
export interface ErrorFields {
  /** Where: a dot path of options, a stage, a file with its line. */
  readonly path: string;
  /** The rule, worded so that it follows "expected". */
  readonly expected: string;
  /** What came, worded so that it follows "received"; never rows, SQL parameters or secrets. */
  readonly received: string;
  /** What to do: a whole sentence, with its full stop. */
  readonly hint?: string;
  readonly retryable?: boolean;
  readonly details?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

/**
 * An error that says what was expected, what came, where, and what to do.
 * Recognize it by `code`, not by `instanceof`.
 */
export class MillraceError extends Error {
  readonly code: ErrorCode;
  readonly path: string;
  readonly expected: string;
  readonly received: string;
  readonly hint: string | null;
  readonly retryable: boolean;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, fields: ErrorFields) {
    super(
      `${fields.path}: expected ${fields.expected}; received ${fields.received}.${fields.hint ? ` ${fields.hint}` : ''}`,
      fields.cause === undefined ? undefined : { cause: fields.cause },
    );
    this.name = errorCodes[code];
    this.code = code;
    this.path = fields.path;
    this.expected = fields.expected;
    this.received = fields.received;
    this.hint = fields.hint ?? null;
    this.retryable = fields.retryable ?? false;
    this.details = fields.details ?? {};
  }
}

/** Several problems of one call, reported together. */
export class MillraceErrors extends MillraceError {
  readonly problems: readonly MillraceError[];

  constructor(problems: readonly MillraceError[]) {
    const [first] = problems;
    if (first === undefined) throw new RangeError('MillraceErrors needs at least one problem');
    const { path, expected, received, retryable, details, hint } = first;
    super(first.code, { path, expected, received, retryable, details, ...(hint === null ? {} : { hint }) });
    this.problems = problems;
    if (problems.length > 1) this.message = problems.map((problem) => problem.message).join('\n');
  }
}

/** Throws what was collected: one problem as itself, several as one error, none not at all. */
export function throwProblems(problems: readonly MillraceError[]): void {
  if (problems.length === 1) throw problems[0];
  if (problems.length > 1) throw new MillraceErrors(problems);
}

export function isMillraceError(error: unknown): error is MillraceError {
  return error instanceof Error && typeof (error as { code?: unknown }).code === 'string' && 'expected' in error;
}

/** An error as data, so that it crosses a process border or is kept in a store. */
export interface SerializedError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly path: string;
  readonly expected: string;
  readonly received: string;
  readonly hint: string | null;
  readonly retryable: boolean;
  readonly details: Readonly<Record<string, unknown>>;
  readonly problems: readonly SerializedError[];
  readonly stack: string | null;
}

export function serializeError(error: unknown): SerializedError {
  if (isMillraceError(error)) {
    return {
      code: error.code,
      message: error.message,
      path: error.path,
      expected: error.expected,
      received: error.received,
      hint: error.hint,
      retryable: error.retryable,
      details: error.details,
      problems: error instanceof MillraceErrors ? error.problems.map(serializeError) : [],
      stack: error.stack ?? null,
    };
  }
  const message = error instanceof Error ? error.message : String(error);
  return {
    code: 'INTERNAL',
    message,
    path: 'millrace',
    expected: 'no unforeseen error',
    received: message,
    hint: null,
    retryable: false,
    details: {},
    problems: [],
    stack: error instanceof Error ? (error.stack ?? null) : null,
  };
}

export function deserializeError(data: SerializedError): MillraceError {
  if (data.problems.length > 1) return new MillraceErrors(data.problems.map(deserializeError));
  const error = new MillraceError(data.code, {
    path: data.path,
    expected: data.expected,
    received: data.received,
    retryable: data.retryable,
    details: data.details,
    ...(data.hint === null ? {} : { hint: data.hint }),
  });
  if (data.stack !== null) error.stack = data.stack;
  return error;
}

/** The member of `known` that is nearest to `name` by edit distance, or null when none is near. */
export function nearestName(name: string, known: Iterable<string>): string | null {
  let best: string | null = null;
  let bestDistance = Math.max(2, Math.floor(name.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase(), bestDistance);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(row[j - 1]! + 1, previous[j]! + 1, substitution));
    }
    previous = row;
  }
  return previous[b.length]!;
}
