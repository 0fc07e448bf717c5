# Rust source of a program whose one task awaits `depth` async functions inside each other,
# all inlined, down to a leaf that yields as often as the first argument says; four times
# side by side if `wide` is set.
BEGIN {
    print "use std::future::Future; use std::pin::Pin; use std::task::*;"
    print "struct Yield(u64);"
    print "impl Future for Yield { type Output = u64; fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>)"
    print "-> Poll<u64> { if self.0 == 0 { return Poll::Ready(1); } self.0 -= 1; Poll::Pending } }"
    print "async fn level0(n: u64) -> u64 { Yield(n).await }"
    for (i = 1; i < depth; i++)
        printf "#[inline(always)] fn seed%d(n: u64) -> u64 { n }\nasync fn level%d(n: u64) -> u64 { let mut pad = [n; 8]; let r = level%d(seed%d(n)).await; pad[(r %% 8) as usize] += r; pad.iter().sum() }\n", i, i, i - 1, i
    if (wide) {
        print "struct Four<F>(F, F, F, F); impl<F: Future<Output = u64>> Future for Four<F> { type Output = u64;"
        print "fn poll(self: Pin<&mut Self>, c: &mut Context<'_>) -> Poll<u64> { let f = unsafe { self.get_unchecked_mut() };"
        print "for part in [&mut f.0, &mut f.1, &mut f.2, &mut f.3] {"
        print "if unsafe { Pin::new_unchecked(part) }.poll(c).is_ready() { return Poll::Ready(1); } } Poll::Pending } }"
        printf "async fn task(n: u64) { println!(\"{}\", Four(level%d(n), level%d(n), level%d(n), level%d(n)).await); }\n", depth - 1, depth - 1, depth - 1, depth - 1
    } else {
        printf "async fn task(n: u64) { println!(\"{}\", level%d(n).await); }\n", depth - 1
    }
    print "unsafe fn clone(_: *const ()) -> RawWaker { RawWaker::new(std::ptr::null(), &VTABLE) } unsafe fn no(_: *const ()) {}"
    print "static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, no, no, no);"
    print "fn main() { let n = std::env::args().nth(1).unwrap().parse().unwrap();"
    print "let mut task: Pin<Box<dyn Future<Output = ()>>> = Box::pin(task(n));"
    print "let waker = unsafe { Waker::from_raw(clone(std::ptr::null())) };"
    print "while task.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {} }"
}
