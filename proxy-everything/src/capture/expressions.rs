//! The nftables expressions that the `nftnl` crate lacks: `tproxy`, which a transparent proxy is made of, `notrack`, and the type of an
//! address. Receives the listener's address and port, hands on what the kernel expects: two registers loaded, then the
//! expression that reads them.

use std::{net::IpAddr, ptr::NonNull};

use nftnl::{
    Rule,
    expr::{Expression, Immediate, Register},
};
use nftnl_sys as sys;

/// `NFT_FIB_RESULT_ADDRTYPE` and `NFTA_FIB_F_DADDR` of linux/netfilter/nf_tables.h.
const FIB_RESULT_ADDRTYPE: u32 = 3;
const FIB_DESTINATION: u32 = 2;

/// `tproxy ip|ip6 to ADDRESS:PORT`: hands the packet to the transparent socket bound there.
/// Where there is no such socket the rule is left, and the next one rejects.
pub(super) struct Tproxy {
    pub(super) to: IpAddr,
    pub(super) port: u16,
}

impl Tproxy {
    /// Adds the expression to `rule`, with the loads of its two registers before it.
    pub(super) fn add_to(&self, rule: &mut Rule<'_>) {
        match self.to {
            IpAddr::V4(ip) => rule.add_expr(&Immediate::new(ip.octets(), Register::Reg1)),
            IpAddr::V6(ip) => rule.add_expr(&Immediate::new(ip.octets(), Register::Reg1)),
        }
        rule.add_expr(&Immediate::new(self.port.to_be(), Register::Reg2));
        rule.add_expr(self);
    }
}

impl Expression for Tproxy {
    #[expect(
        clippy::expect_used,
        reason = "allocation failure, or a libnftnl older than the one we link against"
    )]
    fn to_expr(&self, _rule: &Rule<'_>) -> NonNull<sys::nftnl_expr> {
        let family = if self.to.is_ipv4() { libc::NFPROTO_IPV4 } else { libc::NFPROTO_IPV6 };
        // SAFETY: the name is a C string; the attributes set are those of this expression; the rule takes ownership.
        unsafe {
            let expression =
                NonNull::new(sys::nftnl_expr_alloc(c"tproxy".as_ptr())).expect("libnftnl knows tproxy");
            let raw = expression.as_ptr();
            sys::nftnl_expr_set_u32(raw, sys::NFTNL_EXPR_TPROXY_FAMILY as u16, family as u32);
            sys::nftnl_expr_set_u32(raw, sys::NFTNL_EXPR_TPROXY_REG_ADDR as u16, Register::Reg1.to_raw());
            sys::nftnl_expr_set_u32(raw, sys::NFTNL_EXPR_TPROXY_REG_PORT as u16, Register::Reg2.to_raw());
            expression
        }
    }
}

/// `notrack`: no connection tracking for the packet, and hence no translation of its addresses.
pub(super) struct Notrack;

impl Expression for Notrack {
    #[expect(
        clippy::expect_used,
        reason = "allocation failure, or a libnftnl older than the one we link against"
    )]
    fn to_expr(&self, _rule: &Rule<'_>) -> NonNull<sys::nftnl_expr> {
        // SAFETY: the name is a C string; the expression has no attributes; the rule takes ownership.
        unsafe { NonNull::new(sys::nftnl_expr_alloc(c"notrack".as_ptr())).expect("libnftnl knows notrack") }
    }
}

/// `fib daddr type`: loads what kind of address (RTN_*, rtnetlink(7)) the packet is for, into the first register.
pub(super) struct DestinationType;

impl Expression for DestinationType {
    #[expect(
        clippy::expect_used,
        reason = "allocation failure, or a libnftnl older than the one we link against"
    )]
    fn to_expr(&self, _rule: &Rule<'_>) -> NonNull<sys::nftnl_expr> {
        // SAFETY: the name is a C string; the attributes set are those of this expression; the rule takes ownership.
        unsafe {
            let expression =
                NonNull::new(sys::nftnl_expr_alloc(c"fib".as_ptr())).expect("libnftnl knows fib");
            let raw = expression.as_ptr();
            sys::nftnl_expr_set_u32(raw, sys::NFTNL_EXPR_FIB_DREG as u16, Register::Reg1.to_raw());
            sys::nftnl_expr_set_u32(raw, sys::NFTNL_EXPR_FIB_RESULT as u16, FIB_RESULT_ADDRTYPE);
            sys::nftnl_expr_set_u32(raw, sys::NFTNL_EXPR_FIB_FLAGS as u16, FIB_DESTINATION);
            expression
        }
    }
}
