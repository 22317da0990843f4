const seq = row => +plain[row];
const overlaps = texts => {
  const boxes = texts.map(text => text.getBoundingClientRect()).filter(box => box.width).sort((a, b) => a.top - b.top);
  let count = 0;
  boxes.forEach((a, at) => {
    for (let next = at + 1; next < boxes.length && boxes[next].top < a.bottom - 1; next++) {
      const b = boxes[next];
      if (b.left < a.right && a.left < b.right) count++;
    }
  });
  return count;
};
const place = row => {
  const [, y] = /translate\(0 ([\d.]+)\)/.exec(rows[row].getAttribute('transform'));
  return [+rows[row].querySelector('use').getAttribute('x'), +y];
};
const near = (point, [x, y]) => Math.hypot(point.x - x, point.y - y) < 1;
const ends = arrow => {
  const [from, to] = numbers(arrow, 'r'), length = arrow.getTotalLength();
  return near(arrow.getPointAtLength(0), place(from))
    && (from === to || near(arrow.getPointAtLength(length), place(to)));
};
const contrast = colour => {
  const [r, g, b] = colour.match(/\d+/g).map(value => value / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 1.05 / (0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05);
};
const svg = all('#top text').concat(all('text', chart));
const report = {
  events: all('g.event', chart).length,
  overlaps: overlaps(svg),
  wide: all('text', chart).filter(text => text.getBoundingClientRect().right > chart.getBoundingClientRect().right).length,
  loose: arrows.filter(arrow => !ends(arrow)).length,
  arrows: all('.arrow.data:not(.lost)', chart).map(arrow => numbers(arrow, 'r').map(seq)),
  lost: all('.arrow.data.lost', chart).map(arrow => seq(numbers(arrow, 'r')[0])),
  requests: performance.getEntriesByType('resource').length,
  foreign: all('img, iframe, object, embed, link, a, script').length,
  contrast: Math.min(...svg.map(text => contrast(getComputedStyle(text).fill))),
  lines: all('.event .line', chart).map(line => line.textContent),
};
const reads = all('.event', chart).filter(row => row.querySelector('use').getAttribute('href') === '#read');
const last = reads.at(-1);
if (last) {
  last.dispatchEvent(new Event('click'));
  report.picked = seq(rows.indexOf(last));
  report.past = rows.flatMap((row, at) => row.classList.contains('past') ? [seq(at)] : []);
  report.future = rows.flatMap((row, at) => row.classList.contains('future') ? [seq(at)] : []);
  last.dispatchEvent(new Event('click'));
}
const shown = () => rows.filter(row => row.classList.contains('event') && !row.style.display).length;
report.shown = ['3', '2', '1', '0'].map(level => { by('level').value = level; filter(); return shown(); });
by('level').value = '2';
by('search').value = 'WRITE';
filter();
report.found = shown();
report.loose_after = arrows.filter(arrow => !arrow.style.display && !ends(arrow)).length;
const pre = document.createElement('pre');
pre.id = 'report';
pre.textContent = JSON.stringify(report);
document.body.replaceChildren(pre);
