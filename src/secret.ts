import { inspect } from 'node:util';

/** A text that must not be shown: it prints, serialises and inspects as `***`, and is opened by name only. */
export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  /** The clear text. Every caller is a place where a secret leaves the program: a login, a passfile, a verifier. */
  reveal(): string {
    return this.#text;
  }

  toString(): string {
    return '***';
  }

  toJSON(): string {
    return '***';
  }

  [inspect.custom](): string {
    return '***';
  }
}
