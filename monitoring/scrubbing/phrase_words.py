"""The words of wallets' recovery phrases: the English list of BIP-0039.

The list itself is not here, only the CRC-32 of each of its 2048 words: enough to recognise one. A word of ordinary
English is taken for one of them once in two million.
"""

from __future__ import annotations

from base64 import b85decode
from struct import unpack
from typing import Final
from zlib import crc32


def is_phrase_word(word: str) -> bool:
    """Tell whether a word is on the list."""
    return crc32(word.lower().encode(errors="replace")) in _WORDS


_WORDS: Final[frozenset[int]] = frozenset(
    unpack(
        ">2048I",
        b85decode(
            "06Nvl09u6J0D(mb0N%WJ0P$HG0Q@tt0S{K~0a=!Z0eeRF0ezmb0hbQy0i4DS0!g+S0(ec#0(od20*V6<0<T(J0<pKP0>mJB0~^@<119|K15;"
            "kv15=Qp1BthT1B++R1KW`l1S7LF1TPRg1bD3)1bN~e1bZ8F1nei21r&Q{1t_~s1wI^M1#To}1$_631%GWp21)3|222^j25Bo)2A!3p2D#<A2"
            "HtLS2K$^j2Qz-x2TiNn2UNNX2V#-G2ZQ*u2jUbI2lsa62pZpg2q8|Y2!~v(2$pm!2&qUq2-9vj2;zNn2>OMt2?psd2^Abi2`{#e30fX$37fo"
            "a3A;Hm3D8_A3I^=13K*=!3M0a|3Ofcm3X94`3ZUSP3k8rj3q_>%3sj2_3!{j)3#Dz<3#c<l3%$KI3(WHK3;QE+3=35+3?VNz3}IIg41cDV44"
            "ouJ49hKm4AF9<4B))F4CU|?4EA6S4GH|S4Nh-?4SM2V4T#p_4XW&84X#9>4Zc9p4aX<I4em^D4lVL)4o8In4oW}O4p=>O4uZTo4yRD)4<`Qh"
            "4=XeK4>Q874?AkX4?ms~4_~X54`T6l51RH051`=Y5F^F|5I|NY5J!B>5L@Ho5Zk`Q5hAzM5hdc@5i0uW5w;;q5x7805y(_*5z2~Y5!w%z5$2"
            "L85&Odw5(*@b5=G`-5@DGa5_yH`5`IzD60IXX64=7W65B%_69Iw56BRI46Co(U6FoM36KcT|6K|qI6PW8W6PXt@6Pgi26Pmp&6ZP-*6biN=6"
            "h=ku6k^tX6lha~6t{#J6$Rgf6)eFX6*tk_6;PSt6<1xh6`c8p70EbJ71n%a72NxK764gL76!O@77Q8478ID%78^M87CYM27F0-u7Gb?H7M^d"
            "p7OzjN7O|@c7PvI57SQr07TE&z7TZsW7UqeV7X&ae7e(rZ7gXmG7ifWG7nWc{7yU-T7y;LF7zszR7$%hb7)$+c7<ITX7=iU=7>jze7@VvZ7|"
            "Xw381FJ{83>^K86X8J88Bl18DbAj8GR4#8JBmM8J-nM8O=Wa8RI>L8YQ9-8ZPpI8cer28f6$c8fy<-8g2Ck8inuD8nfF~8q9WX8q$9n8rD<R"
            "8rs+E8y3pi8zN{y8!R$M8$P=T8%iGe8%(Z38-V178<Av-93U?W93>{p96yQn98&pM9A8Yu9D#>A9D(5n9FDR+9Fm%W9HM>M9HgU09Kmk>9Kx"
            "_t9N|n|9QHt=9Ub9F9Y;o}9bWQp9boDu9e<8Y9gmYn9hx0h9mTPD9n+am9pz7R9p=7H9xwU49y!V*9%b{i9+T4O9;b&{9<SpC9@XCk9@!tt9"
            "~&heA6l9vADUwhAEYRcAG;6-AHef!AIc2}AJ=teAQ9G6AQu%*ARrY-AVB4NAYr2(Ait93Aiu--Aj#_(Ak2k&AktnrAoD)aArXsWAuJ`lAxW7"
            "dA$$SoA%$q<A*qMtA@L{4A^KTIA^uy&A}Nm7B1TYqB6X~9B6)F|B7K@9B7{jSB9%jiBBtNpBC}K}BEO>oBJL$$BJpd!BNVNEBP%hCBS159BS"
            "1u}BY_*WBd&%wBhIPpBj^qsBmzCyBrX8`BvuoPBwoh!Byy@sBy>$RBz9(CB&Cb|B<aM|B?jajB^_2UC2f`zC2+ixC5gw$C68lMC6k3=C7kD#"
            "CFQ}{CFrn@CK-9cCQqWICR4RoCS}W?CX1Y%CaAR<CleA7Cp=<ECsw8-Ct;9+Ct^a6C!fCAC%SM;C&ir_C)g>pC>ClaC}G&wC~cT{D3yh;D4I"
            "~QD4YN0DC9<nDEe!kDFo17DKT=&DRRL&DXJV~DX=dnDb|NRDfAYBDgJiNDkb!GDltl^Dm~IKDpjHjDpl#xDxX_ED!iw(D<Pe5D>is*D>sUtD"
            "_+~iE4*DpE6r#yEA$R3EEGT*ELRrKEMsxjEM^36ERo;aEU`+|EWmOLEZX?PEZz17Ea7liEeGiAEeWI6Eej_sEemVTEhsQQEn5OKEpZP8EpvM"
            "BEt|}lEvzAZE(U*-E+E-AE=QqDE_S4dE|Xx&E~^#yFIH=5FITgAFIyN}FLH2&FNouQFSF3@FS^!TFTomxFUq}nFW{s!FX$*9FfJedFi57yFj"
            "3x~FlB>2FnqeEFry~jFt|OpF#fT)F$SMPF((HnF<qhZF=(|8F}-i;G3il@G5>XFGDeX<GF%qaGOraPGSd&1GgO-&GhxcvGiSWrGiwhoGmMf5"
            "GndIzGotf5GrhQKGwtr7GxZ(pGyYj|G{yr{G~Cg4H0NH#H3xCsH47kRH7-;jHAcU8HH?U&HP7xmHV~$UHd+h!He?;1HiM<JHmsTPHoe<7Hwn"
            "gDH&DwwH(-(zH+k@UH;GaVH>P)~H>dF#H>zKMH@#>uH@&<iH_KtOH`C@SH~ZZ*I012eI0qVAI5cR7I7byDIF{!uIM7m$Ib`!UIdnFMIhbxkI"
            "t(kqIuHRZI(HF6I<HIcI~Z}@I~?u>J72=3JBz2sJC~_wJFIz(JG3qxJGFg0JGh7pJGn_LJH))%JKAh!JK>p(JMLF;JP8=;JQW}qJQ|(gJX(`"
            "oJY4_lJaZ%9JdUgrJe?U0Jf?S6Jh6fwJv99ZJzO?sJ&s^cJ+64AJ+xapJ=d0~J^bYRJ|6OZK6?xMKACc_KAgrCKK^DpKNsELKQXgIKUr<eKV"
            "8)2KXgPhKb?tHKd55RKs2MkKs2{BKvf#RKv(`CK$j$BK%}e5K?KDFK@KKvK^1j$K_+KNK{0o%K|o$PL0i=JL1FT5LDi@#LKA6hLM*b-LOR0@"
            "LTYPRLT>YtLW0O!LXCNILiTU`Ll-9dLp$$8LsOcjLv_sALw@NwL#o%6L%IGuL{FF9L|kEJL~y^*M0HmAM2F)BM9BCUM9K>zMB#O^ME)UiMH2"
            "idMI(rOMK<wsMMHkHMUt}pMYo5oMiSXtMl9s@MsF|tMtqi(Mx~J>Mz}`WM#b3mM$Ge5M%b*(M&0E^M=N+bM|)KQN2wiAN5CyRN6d_pN7I!sN"
            "7*1jNBc15NDW28NH^I+NN>k1NO8_hNQ1acNflLoNk-{<Nn)CpNtDuGNzp5NN-E#-N-y7sN>%NkN^t|!N_2{BN}I)7N}m<vO1=T-O518pO7gS"
            "wO98%PO9PG_OC@&TOE3j?OEy+uOIfdMOKuLyON?%LOPT%NOREaBOUrVkOY-W#OcMp@OkZ$SOlv>mOmn}XOtP%DOuRRMOwiMAOy<X=O!26aO("
            "HA2O+O7~O}e{+P2IumP6A7YP8whqP93(=PD$p6PEVzbPFciaPHcawPNM4tPSJ8xPT1V2PU(^HPXAN$Ph_qwPm@76PrEA8PrnIIPuxKOP$c#3"
            "P$_qqP)rL;P<EuiP>$PnP`H=LQ6%yrQ6{WNQ8`0tQAQ>vQEh9UQL#MDQMAtYQOJwIQO<6LQTe_{QURy7Qa&XBQd;*+QhwVdQjmLxQw71?Qx7"
            "b!Qz~afQ$}iXQ%-1rQ*+5?Q-vwBQ;LJLQ;L;GQ@oG%RJWlDRZ6NvRZgD>RbRG%RbVDCRc1QgRcV)9RcoX)RdBp+Rj;UlRl8M-RokerRqm`|R"
            "rzLzRt16mRt#ilRu;mORu;u_RyE*$R!5`0R%9n=R;Er-R=tq4R_3KCR_IlWR|;g(R}&ODS7LEBS7`JZSAtL-SBDKWSD9V6SOPn?SQgMlSXL`"
            "XSd^F;SendgSl$WGSqI44SwZ+dSzPOZS!*f2S;}BCS<gsrS>q3sS^7s{S^CbzS`dX~S{)^)S}*CAS~&yoT5-7!T803yT8eCqTIfFjTL7ejTT"
            "Cp2TU`VMTYjagTb56<Tcr1JTc;aJTf$tHTgN($TlGa)Tlk4GTtj+^TxR5>T#Eo7T$wa&T%zdZT&_;)T<I|oT<-{)T=EvpU8z?JUBBX3UDI5h"
            "UEREKUI~MoUJ9pRUKQ?KUL$@6UOnV@URgR|UWwkiUpJvUUpf|KUxZ`AUy6ToU#l#PU)@|kU;QL{U;!0hU>JqlU`5;RU{`q2V1$RfVC=)@VC@"
            "itVFXHgVHeRmVJ<&<VKq24VLRN_VVWb-VZaABVbHI1Vb-z4Vh{@6VmjIIVn0}TVn;-GVtA$SVuI&+Vwx`)Vy4_DV!%r2V+*W#V;+TNV?4UjW"
            "L<KWWP%QjWT5FKWVsl&WXIHsWZowwWa%yCWb^m5WkuwVWlXpBWt1t~Wu5Y>W!UCBW$+dKW%qbFW%-_OW(q!rW>!e)W?Z*vW@~sBX1XQ%X3PL"
            "5X4vB;X9cHjX9l$QXBRQ3XGdGiXHgM-XH=2IXZ8!DXZJqRXbzlQXcKCsXdU&BXeR35Xf#A{Xn-9sXvL1%XvaOoXw5y5Xzf-kX!mW;X$?9IX&"
            "0cLX)~whX?PExX`+|dY1XR+Y1ZCYYAm4)YEc%MYF_|PYO5n3YS(InYUHr*YY#(^YZ_elYbK`NYd#cdYjMl;Yk;3jYmJ3ZYpjLKYy(?nY$H$}"
            "Y(5%iY<7M!Y=lmdY>&7(Y?^CiY`e)TZ5fnQZ775dZ7~bUZG@y4ZG|;uZNNmuZR2pGZU|*YZYb;QZeQP=Zo;dzZqz>wZtR<%Zvfx2Z&vNiZ&w"
            "NZZ)h$LZ*ws*Z;3R3Z<LrtZ=Ja3Z|O@Ia0iJma1{k2a2^p(a76sRa9~rBaI46>aII{MaJv9naK&3IaOC=UaPqwmaQN@AaQ&HaaVw%baW~$1a"
            "be+yah}&(ai(B(alI)Nan=mbark0;auTlMa(IWaa(xqFa-UI~a<y0(a_{b9a|HV#a|_}Hb3k*@b6LbxbA28RbJ4eFbJ-QqbMp6lbRAR8bS3r"
            "$bTUX=bUQZwbWv*pbXEp*bbr?KbeFL-be~4ubf5jubfR8AbkF%8bl3<{bq3RBbs|&Xbv0k1bw%nEby9qDb!_wub#{U+b$=dPb-T=Hb<luMb_"
            "-p%b{&{3c1GW~c1#=*c2@N}c8c;qcAGKccE0vucKNqbcK?j3cNH+0cRl8vcl3E-cnFyUcyQpHcy?l4czWMvc&Rofc(CM!c(_qyc*$T1c<kL0"
            "c?Q)%c|(E5c}HUydBF(RdC}WRdFPDJdNF!mdRxT>dS~ZodTfUAdWDr0daCZGdaL3pdabpldcin1df&JHdnO6-d#qi>d&AhFd-_gvd?n}Bd^f"
            "aRd`gCUd|Lkwe37O?e5(Ope6kA=e6^r>e7<#+e8<`>eFZv`eKuC4eLkSDeNUA`eN%^ieO&OteQSDOeR&(MeUjO2eVsXReeQ$hehkc!ei}n&e"
            "n~*+ev$XWex-pve%86Se<$1Re?Od*e{aJue|zQ+e~Kk{f0U3Jf0pQAf3A3}f5cxMf9y0)fCm{RfDd^WfG>_CfH8*mfN+SEfOBU7fOhj3fQ_3"
            "1fc$LJfdGDofee7Gfh;+Ffi>P5fldTAfmh2SfsD!2f%J7$f+WT|f-Ylnf;{wDf<(R|f~f5ig4Nppg6U&JgAYfSgBN>`gHSX0gOJ(agPzSugQ"
            "ssNgbu5&gereogimM!gk9Q<gkIB?gk&uqgl7&kgnJFEgpgmegu=|?gxv>yg%5`Mg)6?zg?hyBg@WQWg^9Eth4JJ8h8B(ch8-A|hIw`zhNeYH"
            "hXS;Uhfzauhirj9hl(E=hmV^MhzqLGh#$pvh$g<Ah+XNuh=32;h>CS)h@w#Th^21uiAg}RiCW|EiCh8jiC=Q0iEx*^iFba+iGGg;iG{i-iIq"
            ";^iK<+riL?+qiME)(iQSHwiSY{CiU8=MiYPRUib`26ieX%fijb?RijoSmij{b1inyIvipbB=irM^?ise)-itWaLi%9uei&FA@i+G@Qi-voKi"
            "^;(^i`Izfi{$y;i}D=aj0ZLUj2cBRj6N`jj7l1;jGs0TjJXCwjK)S7jNVr%jR=OtjTMb8jUHc8jW9w*jfG>~jf=2&jgfj)jhYt9jmI9>jr%c"
            "DjsYgbjsorqjv)|ujzB~hj!a{)j)cxhj-TO^j-hZuj<yg6j=EsXj^s2Uj^;tKk0_9$k18dDk1^YCk4Dxjk4!BRk7m{;kC%TJkHyW0kJF<>kK"
            "FZkkK{CQkM-QgkNe>FkPgr1ka=}ekhVA{kqoTQkq~3_kwZPpkxX?akx#D@k$dgpk&zn>k-ML4k;mE1k<COZk>axik@JNtk@$jXk_)U!k{JJa"
            "k~Vnql5y@=lDlQGlFWQglIYx*lIeX#lI?edlL~*`lTaQmlZRSKlc8JuleBYLlmBrYlnI0mlpugRlt7B(lw6r=lx|NJl(Ec9l?HJxl?~kEm3@"
            "r3m5pFpmB7TYmD`;;mKD9_mPur_mP#tBmQ<~5mR|{PmW;_&mXIG*maV?Hmf@OXmi;@KmkP0sml1i9mn<^nms78TmuQ11mv!d|myduYm!Peqm"
            "*TWcm+k)em?brMm^Jd{m|lLAm}lX(m}$#$n1^V|n34Y8n3aJ;n3*z^n6HB|n7e}OnCN3rnGi$%nGwlNnH^X&nNL48nOMd3nPu8KnZDKznd&#"
            "QnfFp=nguWFnlps-nlsKDnqfD$nrE&~nux;unv@zDnz!n>n&rn2n(E9Gn*QWfn*<ILn>3%1n>(Fzn>~Ecn{M3zo0nGUo1V~po3Mb;oA%Q|oF"
            "0#4oWo5^ocCcFogh{PohdXpohjC;oj~3jon}teorLY;ouUamowHzro#bU8o(zSFo-)4bo;J#~o;ojWo<A=ko<{>6o=|j3o?b(!o_Gl)o`4$9"
            "o}F+To~MD5p4IMPp6jLIpCStUpCr}0pC(}opED`jpLOs;pLtb}pMH`4pO}AopSd!ZpU?2TpU~c;pbOHMpd?x<phIL0pn8%KpowR)pu4UPpv-"
            "T8px?Y6pyKM*pzFW~p#A?Ap#f96p$_6yp&K*1p(QFqp)e4#p<f;Dp@5jYp@s*`p|W0Eq3pNtq3(x{qDvZ9qD$rsqHqxlqKAk~qOH>pqR}k7q"
            "b}ORqdt=$qeCxwqky_FqmIr?qm$D6qrCi%qvDydqy}R2q!Rj)q$K6=q&UsIq;P|zq<onTq@<f?q_hnfr2|BTr3*Vnr4Q$grDE0frF$~{rJrm"
            "VrLbU`rNw5srP|vnrRE`9reC7brjVaNrldR@rq_$nr)l0Nr*^B;r=C9#r=x9Sr>Pzbr?UnYr`N&Sr}Orls12X<s4!=|s8gMcs8nI)s8_SVs9"
            "jUEsFe-osI9B)sSj`JsV4+YsV>k^sWYZ#sZ$pzsbC0nspvX}s&&y~s(3>Is?C<Fs@MSQs{*hms|$&qs}XKPs~Bqit5Rqmt7X~dtBL`jtC{&i"
            "tHi4RtKRXFtLc?8tPUV&tUA!$tYbj4tZGc6thK<qtmBO0tn?rLtqpchtrE96tr<JytsoR<ttO|(tv4|itzVn`tzz?^t#N#et^r8jt}MXkt~I"
            "|~u8@h;uC;mzuF}n}uG-ZcuL*qwuM6ZduMod=uM!i?uQj&quaT*SubVv`ub~KXudL9yuf3bBug+fsui}r`uk7_iuo&?Rutb`Auum-lux3;-u"
            "zNW*u!hl-u%cFXu&h-2u(RO5u*y4ju-=<*u;Q;Uu^gi(v5VF#v9w8VvDkvAvD(EkvGtk}vG~W$vS2z?vS>}3vW_G*vYLRKvs!3CvwcB?v&M#"
            "jv(k2_v(%==v<Q!Sv^phsv|m&=v~mR#w90i9wABD@wBb~*wCVA}wD8-fwEUx4wO9lcwd(z*we%w6wfH>EwiRG?wjU8`wqI9@wq*y$wx-Zgwy"
            "B)!w!JWaw)aU+w+)-}w<E7Jw?1Cnw?Q%uw^E9&w`O!2w~LE+x1CVrx25wWxB-6rxB>-4xCB7AxF`p%xGR{HxKR-GxMrJ~xPcd3xQDarxZ375"
            "xb8S|xiCuDxiWflxp2U4xth)1x#~VPx$T~fx%wnux)U&Ux*P6;x*s@wx<HsHx^5*Sy5=%sy64T}y7s~#y8iOCy9A~1yAt+=yDWTGyJz-syMl"
            "8!yNMsDyVUyCyX#nbydM|<yd^YLye6C$yg{CBykNNdyo(2Qypi-4yt;69y$z{4y^nkKy`b{jy|38Fz1P*Yz9${8zAHW|zBM@2zD3q9zE&d)z"
            "I(oszK?%1zNu7_zUaA$zU_m_zY)d1zZ}!UzbF3uzbMUQzqhrvzvG2Vzx^zTzz7?(z#q8rz&nE>z+&{tz>KGpz_k8hz`-V&!4)6U!6if&!ASx"
            "J!D6#I!Do3$!FxRd!Gsos!IVNU!K+%5!MCVM!Y|=o!dK=F!hDly!u5X^!=hd)!{SRB!|`<y#0Pyd#0kI$#3mEt#4mS*#F*U-#H7IH#IRou#I"
            "v)m#KL43#NehM#PxJR#Rs1A#UO=K#XSUH#cO+H#hcZ^#kTaE#my5|#nTM~#qR1f##y+y#%i;s#)>?>#-9M^#^%gY$1`cr$3z5G$5Y3b$BhIU"
            "$J^4e$Knvz$MtJ>$Ofhx$QH(;$Q)-3$To-k$W^Pf$lWah$m=nP$pvOi$uWHL$xRW9$%Q=!$&Wdc$)#SE$*yDs$>R6%%2Tl5%3@w6%9lAY%AU"
            "tH%C5a9%C5ct%E%(w%F5B=%M6v7%Mfe3%ScVv%TI(3%TokE%dLvP%emOo%ey$8%id2v%jKgn%kW4G%l8yc%s|WV%vqIJ%vx<H%#JTU%#X~T%"
            "*Xq4%-$59%<0w)%}-h|%~B#t&1Xv#&CK%(&EsgP&H8Mh&M7uZ&P?eU&T!Nu&W<LR&ZMhu&a(nA&bhlD&c_5r&e|gr&m}Rq&nFZ8&tT?!&zh-"
            "%&%OE-&)tG=&+5&M&+)1b&;;zC&_B(M&_vbL(3LF!(3<Wc(5$~C(7?&%(BL_0(Cc1s(d*S((e&$@(gwlN(g|~d(ixPD(kgA>(m09l(tFwN(t"
            "d42(thed(w`tb(>t(v(?bYJ(?>|s)2c2J)76#U)Ho^k)Hwc^)O_j})VF1M)Va5<)Z1~j)aV%a)b)?$)i&1$)n6_C)qDcd)qPb!*1_5i*5ml5"
            "*9m4D*CLqn*C{Xv*D{K|*IS==*Ik2P*Ju;i*NvVL*OWbI*OhYF*P4>;*U@yz*XPX0*XZ!y*YZG@*c$q-*eEjB*eibI*f;Jz*gIXW*g&;O*lC"
            "J(*lvSL*nfTu*niw#*u}(=*wySs*zl<y*)%RB*;q9o*?I5U*|;(z*}^4p+14Q0+61kM+HbqB+K90?+P)p{+TBVe+UN4`+U><|+W7ix+W;f7+"
            "Y0cz+gE%n+gQF|+l#sg+okn&+o%h&+rE)s+u=^++$6OX+$u1_+(cKo+*(jA+?uj9+`9}@-19UG-2k=>-D=*{-J%3>-Kreg-Kt`V-Nd74-gRk"
            "w-l{_$-qt}G-sJU@-t~$$-w!4K-%MdJ-&z<4-<60p-_anP-{16X-|Rm*-~m=U;2wJ8;58Uj;6@t{;DG%m;Fhs_;J=+n;Mp@!;QrAH;T4&M;T"
            "E@A;T??t;aLUo;cTd!;cq%t;eq>E;hmb&;kK*J;oywq;sROC;wzRm;)IXF;+32>;;XE5<3)N#<4#>k<6EA1<6^*2<8Zt3<Him~<LpQ1<Nm=G"
            "<T$UY<U&gR<U}K4<Wif3<a}9K<ihZv<i~(u<l7+{<lpc%<mu@0<onGK<w@yo<xPka<)A5$<*05{<;7`~<?L`#<^%*!<_5w^=6_2C=9hW(=GN"
            "VH=Jaet=J~EA=XRuU=YbpZ=a1hY=aDal=d)Pr=iABm=iN9Y=l5Ri=lfVY=l*3<=q@)j=uzM%=v+ux=%h{m=%^Zv=??YB=^6hc=`nVx=}5(C="
            "}u9X>7ySW>8Dbm>AY@h>KykA>TNVN>U^;k>Z8sy>f|_b>i?6Z>j__m>mc#>>sACf>uHx+>vk=(>zB5k>zhgn>&b{8>;tk%>^HAq>_#Po>{Kj"
            "^?3kZi?8r9x?9wMa?A2Vx?LATV?T_-X?ZQ2q?aood?b|F%?b~WT?ct7t?ddsK?eaw>?fycI?wdVz?x3GU?&aUE?*^S(?>;wp??H^W?}U{3@3"
            "3=t@3<O@@8enx@9yXw@B4R~@EwP-@Il>0@OH|n@Poru@U&G%@VHJ8@V>gC@Y;XB@Z?*m@b1&t@de~n@e6jt@fic8@hj{1@j>3U@lAJF@p;x%"
            "@u$+m@vyB)@<>MJ@>;vr@@VuI@^izm@{AII^6C};^AQ>E^N@=;^PtEw^P?EF^Z7e>^dhlq^fZX-^ju1W^l4Gj^!qcW^#nUl^&&I&^(m8>^-b"
            "ju^>+vr^@J9i^|~s-_2XwN_2cT-_5M0n_5Pvg_9>4>_AGg~_PY~y_Z8d2_d)~~_rN4-_x8y7_!1&Y_%bYb_%lJz_)P$9_;hsh_>RMb_>TlM_"
            "~p6Q`2Ov5`6cJs`787_`CPP<`ET9H`GK`A`JURl`J}iT`Mrra`MxXS`OqQE`V#?N`Y`Jx`dNN?`f-;#`lB3a`q;PB`sjMx`z-mI`!f{U`$V("
            "1`%vEu`&vOE`<)BS`=45=`@l50`_4Xk``F<4`}HPc`}siK{5958{5DHY{7~^k{9jzh{H&n~{KN{a{KP+R{K=eU{O)#?{PZN2{Tg%U{V?91{a"
            "hY#{a`}j{i&8I{k*Oh{rpUg{@JT`{_cV&{_sd0{`+F~{{5?t{}9fZ{}p;P|1e1*|6>r||8va||9;3{|A~D%|Io4{"
        ),
    )
)
