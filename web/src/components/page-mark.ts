/** The mark of red alarms in the title and the icon of the page. Hidden pages have it too. */

const TITLE = document.title;

/** Show the number of red alarms that need attention; 0 removes the mark. */
export function markPage(count: number): void {
  const title = count > 0 ? `(${count}) ${TITLE}` : TITLE;
  if (document.title === title) return;
  document.title = title;
  const icon = document.querySelector<HTMLLinkElement>('link[rel="icon"]');
  if (icon) icon.href = count > 0 ? './favicon-alarm.svg' : './favicon.svg';
}
