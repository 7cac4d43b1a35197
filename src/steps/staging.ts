/**
 * Lies beside a directory that is being made, and proves whose it is: a leftover with this marker may be gone on with, or
 * removed, by whoever runs the command again; anything without it is foreign and never touched.
 */
export interface StagingMarker {
  readonly format: 1;
  readonly node: string;
  readonly cluster: string;
  readonly run: string;
  /** What made it. */
  readonly command: 'init-primary' | 'add-standby';
  /** The final place. */
  readonly pgdata: string;
  readonly slot: string | null;
  readonly upstream: string | null;
  /** System identifier that is copied; `null` while a new one is made. */
  readonly systemIdentifier: string | null;
}
