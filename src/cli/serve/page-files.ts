import type { Page } from './answers.ts';

/** The page and the alert rules as text. The build puts the files of page/ and share/ here; run from the sources there is none. */
export const PAGE: Page = { html: '', script: '', style: '', icon: '' };
export const RULES = '';
