// Package locale gives the stand-in's texts in OMFLOW's four languages.
//
// OMFLOW answers API calls with a message for people, and clients judge by that
// message where no code tells two failures apart ("security code wrong" and
// "security code expired" are both status 403). Whoever stands in front of
// OMFLOW must therefore recognise them in each language. The texts are those of
// OMFLOW 1.1.0.0.
//
// As in gettext, a text is named by its original, which is Traditional Chinese:
// [Language.Text] translates it and returns it unchanged when there is no
// translation. The language of a request is the cookie django_language, else the
// Accept-Language header, else Traditional Chinese ([Choose]). Nothing here fails;
// a header that makes no sense chooses nothing.
package locale
