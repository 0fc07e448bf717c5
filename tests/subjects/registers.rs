// Polls that return results of many shapes. Each prints the address of its future,
// which a probe must find in whatever register the calling convention uses, and the
// data pointer of its waker is the number of the poll.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

fn raw_waker(data: usize) -> RawWaker {
    fn clone(data: *const ()) -> RawWaker {
        raw_waker(data as usize)
    }
    fn nothing(_: *const ()) {}
    static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, nothing, nothing, nothing);
    RawWaker::new(data as *const (), &VTABLE)
}

#[inline(never)]
fn poll_once(future: Pin<&mut dyn Future<Output = ()>>, number: usize) {
    let waker = unsafe { Waker::from_raw(raw_waker(number)) };
    let _ = future.poll(&mut Context::from_waker(&waker));
}

/// Awaits `inner`, so that its poll is called through no vtable.
struct Forget<F>(F);

impl<F: Future> Future for Forget<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        unsafe { self.map_unchecked_mut(|this| &mut this.0) }.poll(context).map(drop)
    }
}

macro_rules! shapes {
    ($($name:ident: $output:ty = $value:expr;)*) => {
        $(
            #[allow(non_camel_case_types)]
            struct $name {
                polls: usize,
            }

            impl Future for $name {
                type Output = $output;

                #[inline(never)]
                fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<$output> {
                    self.polls += 1;
                    println!("self\tregisters::{}\t{}", stringify!($name), &*self as *const $name as usize);
                    if self.polls == 1 {
                        context.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                    Poll::Ready($value)
                }
            }
        )*

        fn main() {
            let mut number = 0;
            $(
                let mut future = Box::pin(Forget($name { polls: 0 }));
                for _ in 0..2 {
                    number += 1;
                    poll_once(future.as_mut(), number);
                }
            )*
            println!("polls {}", number);
        }
    };
}

shapes! {
    unit: () = ();
    byte: u8 = 7;
    boolean: bool = true;
    short: u16 = 7;
    word: u32 = 7;
    long: u64 = 7;
    wide: u128 = 7;
    double: f64 = 7.0;
    character: char = 'x';
    two_bytes: (u8, u8) = (1, 2);
    two_words: (u32, u32) = (1, 2);
    two_longs: (u64, u64) = (1, 2);
    mixed: (u8, u64) = (1, 2);
    slice: &'static [u8] = b"abc";
    text: &'static str = "abc";
    string: String = String::from("abc");
    vector: Vec<u8> = vec![1];
    option_byte: Option<u8> = Some(7);
    option_long: Option<u64> = None;
    option_none: Option<Option<bool>> = Some(None);
    boxed: Box<u64> = Box::new(7);
    option_box: Option<Box<u64>> = None;
    result_unit: Result<(), ()> = Err(());
    result_size: std::io::Result<usize> = Ok(7);
    result_string: Result<String, u32> = Err(7);
    three: [u8; 3] = [7; 3];
    sixteen: [u8; 16] = [7; 16];
    seventeen: [u8; 17] = [7; 17];
    many: [u8; 64] = [7; 64];
    dynamic: Box<dyn Fn()> = Box::new(|| ());
    ordering: std::cmp::Ordering = std::cmp::Ordering::Less;
    not_zero: std::num::NonZeroU64 = std::num::NonZeroU64::new(7).unwrap();
    duration: std::time::Duration = std::time::Duration::from_secs(7);
}
