/** Messages of the server and the page, with the server's names. */

/** A value of a parameter; a `bigint` is an integer that a number cannot represent. */
export type Value = number | bigint | boolean | string | null | { readonly [part: string]: number };

/** One telemetry sample: `t` is ISO 8601 UTC; every key outside `RESERVED_KEYS` is a parameter. */
export type WireSample = { readonly t: string } & { readonly [name: string]: Value };

/** Keys that are not parameters: the time, whether the sample is late, the number it summarizes. */
export const RESERVED_KEYS: ReadonlySet<string> = new Set(['t', 'late', 'folded']);

/** Samples as columns of equal length, ordered by time. */
export interface WireHistory {
  readonly t: readonly string[];
  /** Seconds by which values may be displaced; 0 if no value was left out. */
  readonly resolution_s: number;
  readonly [name: string]: readonly Value[] | number;
}

/** The newest value of each parameter, and its time, quality and age in `details`. */
export interface WireLatest {
  readonly details: {
    readonly [name: string]: {
      readonly t: string;
      readonly quality: 'live' | 'stale';
      /** Seconds since the server received it. */
      readonly age_s?: number;
    };
  };
  readonly [name: string]: unknown;
}

/** The time range that is recorded, and the time of the server; `null` while nothing is recorded. */
export interface WireSpan {
  readonly first: string | null;
  readonly last: string | null;
  readonly now: string;
  /** Times in which nothing was recorded. */
  readonly gaps: readonly { since: string; until: string; reason: string }[];
  /** When alarms were raised. */
  readonly alarms: readonly { t: string; parameter: string; level: string }[];
  /** When which sources were simulated; without an end, they still are. */
  readonly simulated: Readonly<Record<string, readonly (readonly [string, string | null])[]>>;
}

/** A message of a channel, as a replay sends it. */
export interface RecordedMessage {
  readonly channel: string;
  readonly from: string;
  readonly text: string;
  readonly role: string | null;
  readonly at: string;
}

/** Who the client is. */
export interface Session {
  /** Empty if unknown. */
  readonly name: string;
  /** Such as `CAPCOM`; may be empty. */
  readonly role: string;
  readonly scopes: readonly string[];
  /** Whether this browser has a session, which it can end. */
  readonly signed_in: boolean;
}

export type WireLevel = 'nominal' | 'yellow' | 'red';

/** What a person did with an alarm, and when; `until` is the end of a shelf. */
export interface AlarmNote {
  readonly by: string;
  readonly comment: string;
  readonly at: string;
  readonly until?: string | null;
}

/** An alarm as the server keeps it. The server applies hysteresis. */
export interface WireAlarm {
  readonly id: string;
  /** What an event reports; absent in lists and responses. */
  readonly action?: string;
  /** When the level changed last, ISO 8601. */
  readonly t: string;
  readonly parameter: string;
  readonly unit: string;
  /** `nominal` once the alarm has ended. */
  readonly level: WireLevel;
  readonly worst: WireLevel;
  readonly value: number;
  readonly side: 'low' | 'high';
  readonly threshold: number;
  readonly since: string;
  /** How often it was raised before somebody acknowledged it. */
  readonly count: number;
  readonly acknowledged: AlarmNote | null;
  readonly shelved: AlarmNote | null;
}

/** Something that happened at a source: a fault, a change of mode. */
export interface WireEvent {
  readonly id: string;
  readonly t: string;
  readonly severity: 'error' | 'warning' | 'info';
  readonly name: string;
  readonly message: string;
  readonly source: string;
}

export type Kind = 'number' | 'integer' | 'boolean' | 'text' | 'vector';
export type Range = readonly [low: number | null, high: number | null];

export interface Parameter {
  readonly name: string;
  readonly unit: string;
  readonly kind: Kind;
  readonly description: string;
  readonly limits: {
    readonly yellow: Range;
    readonly red: Range;
    /** Distance from a limit at which its level ends, in the parameter's unit. */
    readonly hysteresis?: number | null;
    /** Seconds that values must be outside before a level begins. */
    readonly min_duration_s?: number;
  };
  /** Expected seconds between two values. */
  readonly period_s?: number | null;
  /** The group of related parameters; if empty, the name up to its first dot. */
  readonly group?: string;
  /** The name of its source. */
  readonly source?: string;
}

export type SourceState = 'starting' | 'live' | 'stale' | 'down' | 'degraded' | 'recorded' | 'off';

/** The state of a telemetry source. */
export interface SourceStatus {
  /** The name of the source; absent if there is only one. */
  readonly source?: string;
  readonly state: SourceState;
  readonly detail: string;
  /** When the state began, ISO 8601. */
  readonly since?: string | null;
}

/** `lost` events (`null` if unknown) between the ids `after` and `resumed` were not delivered. */
export interface Gap {
  readonly after: string | null;
  readonly resumed: string | null;
  readonly lost: number | null;
  readonly reason: string;
}

/** An image as the server describes it. */
export interface ImageInfo {
  readonly id: string;
  /** The name of its camera. */
  readonly camera: string;
  readonly state?: 'arriving' | 'stalled' | 'complete' | 'broken';
  /** Why it is stalled or broken; may be empty. */
  readonly reason?: string;
  /** Whether its bytes can be requested; those of past images may be deleted. */
  readonly available?: boolean;
  readonly content_type: string;
  readonly size: number | null;
  readonly received: number;
  readonly complete: boolean;
  readonly revision: string;
  readonly taken_at: string | null;
  readonly received_at: string | null;
  readonly width: number | null;
  readonly height: number | null;
  readonly sha256: string | null;
  readonly metadata: { readonly [name: string]: string | number | boolean | null };
  readonly url: string;
  readonly stream: string;
  /** The path of a small version, if the server makes one. */
  readonly thumbnail?: string | null;
}

export interface Message {
  readonly id: string;
  readonly from: string;
  /** Of the sender's token, such as `CAPCOM`. */
  readonly role?: string;
  readonly text: string;
  readonly at: string;
  /** The sender's name for the message. */
  readonly ref?: string;
  /** What the message is, such as `poll`; plain messages have none. */
  readonly kind?: string;
  readonly data?: MessageData;
}

/** The data of the kinds of messages that the server acts on. */
export interface MessageData {
  readonly poll?: string;
  readonly vote?: 'go' | 'no-go';
  readonly station?: string;
  readonly roll?: readonly string[];
  readonly seconds?: number;
  readonly deadline?: string;
  readonly outcome?: 'go' | 'no-go' | 'incomplete';
  readonly go?: readonly string[];
  readonly no_go?: readonly string[];
  readonly call?: string;
  readonly message?: string;
  readonly member?: string;
  /** Of a link: a time in ISO 8601, or the id of an image, an upload or an alarm. */
  readonly t?: string;
  readonly image?: string;
  readonly camera?: string;
  readonly upload?: string;
  readonly alarm?: string;
}

/** What a message that is sent has beside its text. */
export interface Content {
  readonly kind: string;
  readonly data: MessageData;
}

export interface WirePoll {
  readonly id: string;
  readonly text: string;
  readonly by: string;
  readonly roll: readonly string[];
  readonly deadline: string;
  readonly votes: { readonly [station: string]: 'go' | 'no-go' };
  readonly outcome: 'go' | 'no-go' | 'incomplete' | null;
}

export interface WireCall {
  readonly id: string;
  readonly text: string;
  readonly by: string;
  readonly roll: readonly string[];
  readonly acked: readonly string[];
}

export type ChannelEvent =
  | {
      readonly type: 'welcome';
      readonly channel: string;
      readonly you: string;
      /** `false`: we may only listen. */
      readonly may_say?: false;
      /** `true`: we may mute and remove members, and change messages of others. */
      readonly may_moderate?: true;
      /** The time of the server. */
      readonly now?: string;
      /** The polls and calls that are open. */
      readonly polls?: readonly WirePoll[];
      readonly calls?: readonly WireCall[];
      /** Names that a moderator has muted. */
      readonly muted?: readonly string[];
      readonly limits?: { readonly message_bytes: number };
      /** The first members of a large channel; includes joins and leaves up to `last_id`. */
      readonly members: readonly string[];
      /** By the names of the members that have one. */
      readonly roles?: { readonly [name: string]: string };
      readonly member_count: number;
      /** The id of our own join, which follows the missed events when resuming. */
      readonly last_id: string;
      /** A secret with which the next connection is the same member. */
      readonly resume?: string;
      /** Empty when resuming. */
      readonly history: readonly Message[];
    }
  | ({ readonly type: 'message' } & Message)
  | { readonly type: 'ack'; readonly ref: string; readonly id: string }
  /** The answer to a `ping`. */
  | { readonly type: 'pong' }
  | {
      readonly type: 'join' | 'leave';
      readonly id: string;
      readonly name: string;
      readonly role?: string;
      readonly member_count: number;
    }
  | ({ readonly type: 'gap' } & Gap)
  | {
      readonly type: 'error';
      readonly code: string;
      readonly detail: string;
      readonly ref?: string;
    };

export interface Step {
  readonly name: string;
  readonly title: string;
  /** Why it was skipped. */
  readonly detail?: string;
}

/** How a step ended; `skipped`: it did not run, was cancelled, or was not reported. */
export type StepResult = 'passed' | 'failed' | 'skipped';

/** The steps in the last event of an upload. */
export type StepResults = readonly (Step & { readonly state?: StepResult })[];

export type Summary = { readonly [name: string]: string | number | boolean | null };

export type UploadEvent =
  | {
      readonly status: 'UPLOADING';
      readonly detail: string;
      readonly id?: string;
      readonly name?: string;
      readonly received?: number;
      readonly size?: number | null;
      readonly plan?: readonly Step[];
    }
  | {
      readonly status: 'VALIDATING';
      readonly detail: string;
      readonly step: string;
      readonly title?: string;
      readonly index?: number;
      readonly steps?: number;
      readonly state?: 'pending' | 'running' | StepResult | null;
      readonly fraction: number;
      /** Number of lines that the step has checked; `null` or missing if it does not go by lines. */
      readonly line?: number | null;
      readonly lines?: number | null;
      readonly lines_per_s?: number | null;
    }
  | {
      readonly status: 'COMPLETE' | 'REJECTED';
      readonly detail: string;
      readonly errors: number;
      readonly warnings: number;
      readonly sha256?: string | null;
      readonly size?: number | null;
      readonly summary?: Summary;
      readonly plan?: StepResults;
    }
  | {
      readonly status: 'FAILED';
      readonly detail: string;
      readonly received?: number;
      readonly plan?: StepResults;
    };

export interface Finding {
  readonly severity: 'error' | 'warning' | 'info';
  readonly code: string;
  /** Of its line; missing in records of older servers. */
  readonly text?: string | null;
  readonly message: string;
  readonly line: number | null;
  readonly column: number | null;
  readonly hint: string;
  readonly step: string;
}

/** An upload of a command file, as the record of uploads has it. */
export interface WireUpload {
  readonly id: string;
  readonly name: string;
  readonly status: 'UPLOADING' | 'VALIDATING' | 'COMPLETE' | 'REJECTED' | 'FAILED';
  readonly detail: string;
  readonly size: number | null;
  readonly by: string | null;
  readonly began: string | null;
  readonly ended: string | null;
  readonly sending: Sending | null;
  readonly links: { readonly artifact?: string; readonly file?: string };
}

export type SendingState =
  | 'queued'
  | 'released'
  | 'sending'
  | 'sent'
  | 'acknowledged'
  | 'refused'
  | 'timed_out'
  | 'failed'
  | 'unknown'
  | 'withdrawn';

/** The way of an accepted sequence to the rover, or one change of it. */
export interface Sending {
  readonly state: SendingState;
  readonly detail: string;
  readonly t: string;
  readonly by: string | null;
  readonly attempt: number;
  /** With any attempt. */
  readonly was_sent: 'no' | 'maybe' | 'yes';
  readonly released_by: readonly string[];
  readonly release_at: string | null;
  readonly light_time_s: number | null;
  readonly sent_at: string | null;
  readonly arrives_at: string | null;
  readonly answer_due: string | null;
  readonly revision: number;
}

export interface UploadReport extends WireUpload {
  readonly steps: StepResults;
  readonly findings: readonly Finding[];
  readonly timeline: readonly Sending[];
  readonly omitted: number;
  readonly summary: Summary;
}

/** Which files the validator checks: `suffixes` are lower case, and empty for any name. */
export interface Accepts {
  readonly max_bytes: number;
  readonly suffixes: readonly string[];
}

/** The sequences on their way, and the uplink. */
export interface Queue {
  readonly now: string;
  readonly sends: boolean;
  readonly uplink: { readonly state: string; readonly detail: string };
  readonly light_time: {
    readonly seconds: number;
    readonly parameter: string | null;
    readonly t: string | null;
    readonly problem: string | null;
  };
  readonly release_persons: number;
  readonly uploads: readonly WireUpload[];
}

/** A source as `readyz` shows it. */
export interface SourceReadiness {
  readonly state: string;
  readonly detail: string;
  readonly simulated?: boolean;
  /** Number of values that were left out, and the last one with the reason. */
  readonly unusable?: number;
  readonly last_unusable?: string | null;
  /** Number of messages that were lost before the source read them, and the last reason. */
  readonly lost?: number;
  readonly last_lost?: string | null;
}

export interface Readiness {
  readonly ready: boolean;
  /** By kind (`telemetry`), or by kind and name if there are several (`telemetry.arm`). */
  readonly sources: { readonly [name: string]: SourceReadiness };
  /** The log of the mission. Without access to the mission, it is not there. */
  readonly recording?: Recording;
}

/** The log of the mission as `readyz` shows it. */
export interface Recording {
  /** Since when nothing is recorded, and why; `null` while nothing is wrong. */
  readonly outage: { readonly since: string; readonly reason: string } | null;
}
