import type {
  EngineName,
  KeyContext,
  Operator,
  OperatorStage,
  StageInput,
} from '../../pipelines/contracts/operator.js';
import { digestOf } from '../../pipelines/plan/digest.js';

/** What a stage's key is made of, and the key: the digest of its parts by name. */
export interface StageKey {
  readonly key: string;
  readonly parts: Readonly<Record<string, string>>;
}

export interface KeyEnvironment {
  /** Digest of an operator's own code with the connectors it uses. */
  readonly operatorDigest: (operator: string) => string;
  readonly engineVersions: Readonly<Record<EngineName, string>>;
  /** 'cpu' or 'cuda': what 'auto' means. */
  readonly deviceClass: string;
  readonly context: KeyContext;
}

/**
 * The digest of: operator and its code, resolved options part by part, the device that computes, engine versions, and what it reads:
 * the parts that the operator names itself, else the digest of every input artifact.
 */
export async function stageKey(
  operator: Operator,
  stage: OperatorStage<unknown>,
  environment: KeyEnvironment,
): Promise<StageKey> {
  const parts: Record<string, string> = { operator: operator.name, code: environment.operatorDigest(operator.name) };
  for (const engine of operator.engines) parts[`engine.${engine}`] = environment.engineVersions[engine];
  if (operator.optionsInKey !== false) Object.assign(parts, optionParts(stage.options));
  if (operator.device !== undefined) {
    // The device counts, not the words that choose it: 'auto' without a card gives what 'cpu' gives.
    delete parts['options.device'];
    const device = operator.device(stage.options);
    parts['device'] = device === 'auto' ? environment.deviceClass : device;
  }
  Object.assign(parts, (await operator.keyParts?.(environment.context, stage)) ?? inputParts(stage.inputs));
  return { key: digestOf(parts), parts };
}

/** One part for every option, two levels deep, so that a reason can name what changed. */
export function optionParts(options: unknown, prefix = 'options', depth = 2): Record<string, string> {
  if (depth === 0 || typeof options !== 'object' || options === null || Array.isArray(options)) {
    const isShort =
      options === null ||
      typeof options === 'boolean' ||
      typeof options === 'number' ||
      (typeof options === 'string' && options.length <= 64);
    return { [prefix]: isShort ? JSON.stringify(options) : digestOf(options) };
  }
  return Object.assign(
    {},
    ...Object.entries(options).map(([name, value]) => optionParts(value, `${prefix}.${name}`, depth - 1)),
  );
}

export function inputParts(inputs: Readonly<Record<string, StageInput>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(inputs).flatMap(([name, input]) =>
      Object.entries(input.artifacts).map(([output, artifact]) => [`input.${name}.${output}`, artifact.digest]),
    ),
  );
}
