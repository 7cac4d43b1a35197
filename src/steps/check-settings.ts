import { reloadAndProve } from './reload.ts';
import { showsSql, type Kind } from './kind.ts';

/** The values that must be in force now, whatever the files say: verified in pg_settings, after one more reload when they are not. */
export interface CheckSettings {
  readonly kind: 'check-settings';
  readonly node: string;
  /** As pg_settings.setting shows them. */
  readonly expect: Readonly<Record<string, string>>;
}

export const checkSettings: Kind<CheckSettings, null> = {
  title: (step) => `verify that ${Object.keys(step.expect).join(', ')} ${Object.keys(step.expect).length === 1 ? 'is' : 'are'} in force`,
  preview: async (step) => await Promise.resolve(showsSql(`SELECT name, setting FROM pg_settings WHERE name IN (${Object.keys(step.expect).map((name) => `'${name}'`).join(', ')})`)),
  look: async (step, world) => {
    const { settings } = await (await world.node(step.node).server()).facts();
    return Object.entries(step.expect).every(([name, value]) => settings[name]?.value === value) ? { already: true } : { already: false, before: null };
  },
  apply: async (step, world) => {
    await reloadAndProve(step.node, step.expect, world);
  },
  undo: 'nothing',
};
