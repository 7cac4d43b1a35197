import { Chart } from './chart.ts';
import { bytesText, toneOf, type Data, type Finding, type Node } from './data.ts';
import { at, html } from './draw.ts';
import { behindText, drawTopology, lagText } from './topology.ts';

const chart = new Chart(at('lag'));
let data: Data | null = null;
let fetchedMs = 0;
let trouble: string | null = null;
let shown = '';

void look();
setInterval(showAge, 1_000);
addEventListener('resize', () => { draw(true); });
document.addEventListener('visibilitychange', () => {
  if (!document.hidden) void look(false);
});

/** Asks serve for its last look, as often as it looks; not while nobody sees the page. */
async function look(again = true): Promise<void> {
  if (!document.hidden || data === null) {
    try {
      const response = await fetch('/ui/data.json', { signal: AbortSignal.timeout(5_000) });
      if (!response.ok) throw new Error(`serve answers ${response.status}`);
      data = (await response.json()) as Data;
      [fetchedMs, trouble] = [performance.now(), null];
    } catch (thrown) {
      trouble = thrown instanceof Error && thrown.message.startsWith('serve') ? thrown.message : 'serve does not answer';
    }
    draw(false);
  }
  if (again) setTimeout(() => void look(), Math.max(1, data?.intervalSeconds ?? 2) * 1_000);
}

function draw(resized: boolean): void {
  showAge();
  const status = data?.status ?? null;
  if (data === null || status === null) return;
  at('cluster').textContent = status.cluster ?? 'one server';
  const verdict = at('verdict');
  if (verdict.textContent !== status.verdict) verdict.textContent = status.verdict;
  verdict.className = `verdict ${status.verdict}`;
  document.title = `${status.verdict === 'ok' ? '✓' : '✗'} ${status.cluster ?? ''} ${status.verdict} · pgrepl`;
  chart.show(data.history, status.nodes.filter(({ role }) => role !== 'primary').map(({ name }) => name));
  // What stands still is not made anew: whoever reads it with the keyboard would lose his place.
  const now = JSON.stringify(status);
  if (now === shown && !resized) return;
  shown = now;
  at('topology').replaceChildren(drawTopology(status, at('topology').clientWidth));
  at('nodes').replaceChildren(...status.nodes.map((node) => row(node, status.findings)));
  at('list').replaceChildren(...(status.findings.length === 0 ? [html('li', { class: 'none' }, 'Nothing is wrong.')] : status.findings.map(finding)));
}

function row(node: Node, findings: readonly Finding[]): HTMLElement {
  const cell = (text: string, kind = ''): HTMLElement => html('td', kind === '' ? {} : { class: kind }, text);
  const kept = node.slot?.retainedBytes ?? null;
  return html('tr', {},
    html('th', { scope: 'row' }, html('span', { class: `mark ${toneOf(node, findings)}`, 'aria-hidden': 'true' }), node.name),
    cell(node.role), cell(node.state), cell(node.sync ?? ''), cell(lagText(node), 'number'), cell(behindText(node), 'number'),
    cell(kept === null ? '' : node.slot?.walStatus === 'lost' ? 'lost' : bytesText(kept), 'number'), cell(node.timeline === null ? '' : String(node.timeline), 'number'),
    cell(node.host === null ? '' : `${node.host}${node.port === null ? '' : `:${node.port}`}`));
}

function finding({ level, says, hint, next }: Finding): HTMLElement {
  return html('li', { class: level },
    html('p', { class: 'says' }, html('span', { class: 'level' }, level), ` ${says}`),
    ...(hint === null ? [] : [html('p', { class: 'hint' }, hint)]),
    ...next.map(command));
}

function command(text: string): HTMLElement {
  const button = html('button', { type: 'button', 'aria-label': `Copy: ${text}` }, 'Copy');
  button.addEventListener('click', () => {
    const done = (said: string): void => {
      button.textContent = said;
      setTimeout(() => { button.textContent = 'Copy'; }, 1_500);
    };
    // Not there where the page came by plain HTTP from another machine.
    const clipboard = navigator.clipboard as Clipboard | undefined;
    if (clipboard === undefined) done('Select it');
    else clipboard.writeText(text).then(() => { done('Copied'); }, () => { done('Select it'); });
  });
  return html('div', { class: 'command' }, html('code', {}, text), button);
}

function showAge(): void {
  const age = at('age');
  const seconds = data === null ? 0 : data.ageSeconds + (performance.now() - fetchedMs) / 1_000;
  const isOld = trouble !== null || data?.stale === true;
  age.textContent = trouble ?? (data === null ? 'asking…' : data.status === null ? 'the first look is not over yet' : `${isOld ? 'old: ' : ''}seen ${Math.round(seconds)} s ago`);
  age.classList.toggle('old', isOld);
  document.body.classList.toggle('old', isOld);
}
