'use strict';
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const by = id => document.getElementById(id);
const [ROW, chart] = [20, by('chart')];
const rows = all('.row', chart), arrows = all('.arrow', chart), spans = all('.span', chart);
const numbers = (element, name) => (element.dataset[name] ?? '').split(' ').filter(Boolean).map(Number);
const causes = rows.map(row => numbers(row, 'c')), effects = rows.map(() => []);
causes.forEach((list, row) => list.forEach(cause => effects[cause].push(row)));
const texts = rows.map(row => (row.querySelector('title')?.textContent ?? '').toLowerCase());
const seqs = rows.map(row => row.querySelector('.seq')), plain = seqs.map(seq => seq?.textContent);
let picked = -1;

/* All rows that a row reaches by the edges of `next`. */
function reach(row, next) {
  const seen = new Set(), todo = [...next[row]];
  while (todo.length) {
    const at = todo.pop();
    if (!seen.has(at)) { seen.add(at); todo.push(...next[at]); }
  }
  return seen;
}

/* Marks a row with its causal past and future; none with -1. */
function pick(row) {
  picked = row;
  const past = row < 0 ? new Set() : reach(row, causes), future = row < 0 ? new Set() : reach(row, effects);
  chart.classList.toggle('picked', row >= 0);
  rows.forEach((element, at) => {
    for (const [name, on] of [['self', at === row], ['past', past.has(at)], ['future', future.has(at)]])
      element.classList.toggle(name, on);
    if (seqs[at]) seqs[at].textContent = (past.has(at) ? '\u2191' : future.has(at) ? '\u2193' : '') + plain[at];
  });
  const near = at => at === row || past.has(at) || future.has(at);
  arrows.forEach(arrow => arrow.classList.toggle('near', numbers(arrow, 'r').every(near)));
  const others = all('.event', chart).length - past.size - future.size - 1;
  by('status').textContent = row < 0 ? hint
    : `${texts[row].split(' ')[0]}: ${past.size} events before (\u2191), ${future.size} after (\u2193), ${others} in no order with it`;
}
const hint = 'Click on an event to see its causes (\u2191) and its consequences (\u2193); Esc ends that. Hover for the full line.';

/* Shows the rows that fit the controls, without holes. */
function filter() {
  const level = +by('level').value, conn = by('conn').value, words = by('search').value.toLowerCase();
  const off = new Set(all('#hosts input').filter(box => !box.checked).map(box => box.value));
  const tops = [];
  let top = 0;
  rows.forEach((row, at) => {
    const { l, n, h } = row.dataset;
    const shown = +l <= level && (conn === '' || n === conn) && !(h !== undefined && off.has(h)) && texts[at].includes(words);
    row.style.display = shown ? '' : 'none';
    tops.push(top);
    row.setAttribute('transform', `translate(0 ${top + ROW / 2})`);
    top += shown ? ROW : 0;
  });
  tops.push(top);
  const y = at => at < 0 ? 0 : tops[at] + (rows[at]?.style.display ? 0 : ROW / 2);
  arrows.forEach(arrow => {
    const [from, to] = numbers(arrow, 'r'), [x1, x2] = numbers(arrow, 'x');
    arrow.style.display = [from, to].some(at => rows[at].style.display) ? 'none' : '';
    arrow.setAttribute('d', x1 === x2 ? `M${x1} ${y(from)}C${x1 + 30} ${y(from)} ${x1 + 30} ${y(to)} ${x2} ${y(to)}`
      : `M${x1} ${y(from)}L${x2} ${y(to)}`);
  });
  spans.forEach(span => {
    const [from, to] = numbers(span, 'r').map(y);
    span.setAttribute('y', from);
    span.setAttribute('height', to - from);
  });
  chart.setAttribute('height', top + ROW / 2);
}

rows.forEach((row, at) => row.classList.contains('event') && row.addEventListener('click', () => pick(picked === at ? -1 : at)));
addEventListener('keydown', event => {
  const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  if (event.key === 'Escape') pick(-1);
  if (!step || picked < 0 || event.target !== document.body) return;
  let at = picked + step;
  while (rows[at] && (rows[at].style.display || !rows[at].classList.contains('event'))) at += step;
  if (rows[at]) { pick(at); rows[at].scrollIntoView({ block: 'nearest' }); event.preventDefault(); }
});
by('controls').addEventListener('input', filter);
by('controls').hidden = false;
by('status').textContent = hint;
